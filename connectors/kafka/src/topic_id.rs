//! The id that a cluster gives to a topic when it is made, asked for through librdkafka's C
//! interface, which the crate `rdkafka` does not cover.
//!
//! What makes the calls right:
//!
//! - each object that a call gives is owned by one of the guards below, which destroys it once, in
//!   the reverse order of its making; what is read of the event is read before the event goes;
//! - the client outlives all of them: it is borrowed for the whole call;
//! - pointers that the library documents as possibly null are looked at before they are used, and
//!   the two arrays are read no further than the count that comes with them.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::time::Duration;

use rdkafka::bindings as c;
use rdkafka::client::{Client, ClientContext};
use rdkafka::types::RDKafkaErrorCode;

/// The id of a topic in base 64; empty where the cluster gives none, which those before 2.8 do not.
pub(crate) fn topic_id<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<String, RDKafkaErrorCode> {
    /// What the library shows for an id of zeros.
    const NONE: &str = "AAAAAAAAAAAAAAAAAAAAAA";
    let name = CString::new(topic).map_err(|_| RDKafkaErrorCode::InvalidTopic)?;
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let rk = client.native_ptr();
    let mut names = [name.as_ptr()];
    // SAFETY: `rk` is a live client; `names` and `name` live to the end of this function, and the
    // collection copies them. The error buffer may be null with a size of 0.
    let event = unsafe {
        let topics = Owned(
            c::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len()),
            c::rd_kafka_TopicCollection_destroy,
        );
        let options = Owned(
            c::rd_kafka_AdminOptions_new(
                rk,
                c::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
            ),
            c::rd_kafka_AdminOptions_destroy,
        );
        c::rd_kafka_AdminOptions_set_request_timeout(
            options.0,
            timeout_ms,
            std::ptr::null_mut(),
            0,
        );
        let queue = Owned(c::rd_kafka_queue_new(rk), c::rd_kafka_queue_destroy);
        c::rd_kafka_DescribeTopics(rk, topics.0, options.0, queue.0);
        // The request ends by its own timeout; this is for a client that does nothing any more.
        let event = c::rd_kafka_queue_poll(queue.0, timeout_ms.saturating_add(1_000));
        if event.is_null() {
            return Err(RDKafkaErrorCode::OperationTimedOut);
        }
        Owned(event, c::rd_kafka_event_destroy)
    };
    // SAFETY: the event is live until the end of the function, and what is read belongs to it.
    unsafe {
        no_error(c::rd_kafka_event_error(event.0))?;
        let result = c::rd_kafka_event_DescribeTopics_result(event.0);
        if result.is_null() {
            return Err(RDKafkaErrorCode::Fail);
        }
        let mut count = 0;
        let described = c::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if count == 0 || described.is_null() {
            return Err(RDKafkaErrorCode::UnknownTopicOrPartition);
        }
        let described = *described;
        let error = c::rd_kafka_TopicDescription_error(described);
        if !error.is_null() {
            no_error(c::rd_kafka_error_code(error))?;
        }
        let id = c::rd_kafka_Uuid_base64str(c::rd_kafka_TopicDescription_topic_id(described));
        if id.is_null() {
            return Ok(String::new());
        }
        let id = CStr::from_ptr(id).to_string_lossy();
        Ok(if id == NONE {
            String::new()
        } else {
            id.into_owned()
        })
    }
}

fn no_error(code: c::rd_kafka_resp_err_t) -> Result<(), RDKafkaErrorCode> {
    match code {
        c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        code => Err(code.into()),
    }
}

/// An object of the library, and how it is destroyed.
struct Owned<T>(*mut T, unsafe extern "C" fn(*mut T));

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: it is owned, and this is the only place that destroys it.
            unsafe { (self.1)(self.0) }
        }
    }
}
