//! What the crate `rdkafka` does not cover of librdkafka's C interface: the id that a cluster gives to a
//! topic when it is made, and a queue of a consumer for all but messages.
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
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

/// Takes what a consumer says of its brokers out of the queue of its messages: statistics, errors and
/// logs wait in a queue of their own from now on, to be taken by [`serve`]. Otherwise they would pile
/// up while nobody takes messages.
pub(crate) fn separate<C: ClientContext>(client: &Client<C>) {
    // SAFETY: the client is live, and the queue is destroyed by its guard. A null target ends the
    // forwarding.
    unsafe {
        let main = Owned(
            c::rd_kafka_queue_get_main(client.native_ptr()),
            c::rd_kafka_queue_destroy,
        );
        c::rd_kafka_queue_forward(main.0, std::ptr::null_mut());
    }
}

/// Takes back what [`separate`] did: a consumer that closes expects it.
pub(crate) fn rejoin<C: ClientContext>(client: &Client<C>) {
    // SAFETY: the client is live, and is a consumer with a group; that is all that the call asks for.
    unsafe {
        c::rd_kafka_poll_set_consumer(client.native_ptr());
    }
}

/// Gives all that waits in that queue to the client's context; says whether there was something. It
/// does not block.
pub(crate) fn serve<C: ClientContext>(client: &Client<C>) -> bool {
    let mut some = false;
    // SAFETY: the client is live; queue and events are destroyed by their guards, after what is read of
    // them. The strings of an event end with zero and live as long as it, and none of them is null
    // where the type of the event is the one that has it.
    unsafe {
        let main = Owned(
            c::rd_kafka_queue_get_main(client.native_ptr()),
            c::rd_kafka_queue_destroy,
        );
        loop {
            let event = c::rd_kafka_queue_poll(main.0, 0);
            if event.is_null() {
                return some;
            }
            let event = Owned(event, c::rd_kafka_event_destroy);
            some = true;
            match c::rd_kafka_event_type(event.0) {
                c::RD_KAFKA_EVENT_STATS => {
                    let json = CStr::from_ptr(c::rd_kafka_event_stats(event.0));
                    client.context().stats_raw(json.to_bytes());
                }
                c::RD_KAFKA_EVENT_ERROR => {
                    let error = KafkaError::Global(c::rd_kafka_event_error(event.0).into());
                    let reason = CStr::from_ptr(c::rd_kafka_event_error_string(event.0));
                    client
                        .context()
                        .error(error, reason.to_string_lossy().trim());
                }
                c::RD_KAFKA_EVENT_LOG => {
                    let (mut facility, mut text) = (std::ptr::null(), std::ptr::null());
                    let mut level = 0;
                    let is_log = c::rd_kafka_event_log(
                        event.0,
                        &raw mut facility,
                        &raw mut text,
                        &raw mut level,
                    );
                    if is_log == 0 {
                        let [facility, text] =
                            [facility, text].map(|text| CStr::from_ptr(text).to_string_lossy());
                        let level = log_level(level);
                        client.context().log(level, facility.trim(), text.trim());
                    }
                }
                _ => {}
            }
        }
    }
}

/// The levels of syslog.
fn log_level(level: i32) -> RDKafkaLogLevel {
    match level {
        ..=3 => RDKafkaLogLevel::Error,
        4 => RDKafkaLogLevel::Warning,
        5 | 6 => RDKafkaLogLevel::Info,
        _ => RDKafkaLogLevel::Debug,
    }
}

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
