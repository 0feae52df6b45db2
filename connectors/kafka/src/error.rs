//! What is wrong with a topic, a cluster, or what is stored of them.

/// Why a topic cannot be read. None of these goes away by itself, so each ends the run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// An option has a value that librdkafka refuses.
    #[error("the options of the Kafka connection are wrong: {reason}")]
    Options {
        /// What it says.
        reason: String,
    },
    /// The brokers refuse to talk to us: a wrong password, a certificate that is not trusted.
    #[error(
        "the Kafka brokers at `{brokers}` refuse the connection: {reason}; check user, password \
         and certificates"
    )]
    Refused {
        /// Their addresses.
        brokers: String,
        /// What they say.
        reason: String,
    },
    /// There is no such topic, or this user may not see it.
    #[error(
        "there is no topic `{topic}` at `{brokers}`, or this user may not read it: check its name, \
         or make it"
    )]
    NoTopic {
        /// Its name.
        topic: String,
        /// The addresses of the brokers.
        brokers: String,
    },
    /// The topic was there when it was read.
    #[error(
        "the topic `{topic}` at `{brokers}` is not there any more: it was deleted while it was \
         read, and what was not read of it is lost"
    )]
    Deleted {
        /// Its name.
        topic: String,
        /// The addresses of the brokers.
        brokers: String,
    },
    /// The topic may not be read.
    #[error(
        "this user may not read the topic `{topic}` at `{brokers}`: give it the operation READ"
    )]
    Forbidden {
        /// Its name.
        topic: String,
        /// The addresses of the brokers.
        brokers: String,
    },
    /// The topic was deleted and made anew, or is of another cluster.
    #[error(
        "the topic `{topic}` is another one than that which was read: its id is {found}, and was \
         {stored}; what was not read of that one is lost. Reset the state of `{component}` with \
         `squall reset` to read this one from its beginning"
    )]
    MadeAnew {
        /// Its name.
        topic: String,
        /// The component that reads it.
        component: String,
        /// The id of the topic that was read.
        stored: String,
        /// The id of the one that is there.
        found: String,
    },
    /// The topology began to read elsewhere.
    #[error(
        "the topology began to read the topic `{topic}` from {stored}, and now it is to begin from \
         {found}: leave that out to go on where it is, or use another data directory"
    )]
    BegunElsewhere {
        /// The name of the topic.
        topic: String,
        /// Where it began.
        stored: String,
        /// Where it is to begin.
        found: String,
    },
    /// Records that were not read are gone.
    #[error(
        "partition {partition} of the topic `{topic}` begins with offset {found}, and offset \
         {expected} is the next to be read: retention has deleted what is between. Reset the state \
         of `{component}` with `squall reset` to begin anew"
    )]
    BelowStart {
        /// The name of the topic.
        topic: String,
        /// The number of the partition.
        partition: i32,
        /// The component that reads it.
        component: String,
        /// The offset that is to be read.
        expected: i64,
        /// The first one that is there.
        found: i64,
    },
    /// The partition has less than what was read of it.
    #[error(
        "partition {partition} of the topic `{topic}` ends at offset {found}, and offset \
         {expected} is the next to be read: records that were read are gone. Reset the state of \
         `{component}` with `squall reset` to begin anew"
    )]
    BeyondEnd {
        /// The name of the topic.
        topic: String,
        /// The number of the partition.
        partition: i32,
        /// The component that reads it.
        component: String,
        /// The offset that is to be read.
        expected: i64,
        /// The offset behind the last record.
        found: i64,
    },
    /// A partition that was read is not there any more.
    #[error(
        "the topic `{topic}` has {found} partitions, and partition {partition} was read: reset the \
         state of `{component}` with `squall reset` to begin anew"
    )]
    PartitionGone {
        /// The name of the topic.
        topic: String,
        /// The number of the partition.
        partition: i32,
        /// The component that reads it.
        component: String,
        /// How many there are.
        found: usize,
    },
    /// Records cannot be read.
    #[error("`{component}` cannot read a record of the topic `{topic}`: {reason}")]
    Unreadable {
        /// The name of the topic.
        topic: String,
        /// The component.
        component: String,
        /// What librdkafka says.
        reason: String,
    },
    /// The client cannot go on.
    #[error("the Kafka client of `{component}` has failed: {reason}")]
    Client {
        /// The component.
        component: String,
        /// What librdkafka says.
        reason: String,
    },
}

/// Why a topic cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// An option has a value that librdkafka refuses.
    #[error("the options of the Kafka connection are wrong: {reason}")]
    Options {
        /// What it says.
        reason: String,
    },
    /// The brokers refuse to talk to us.
    #[error(
        "the Kafka brokers at `{brokers}` refuse the connection: {reason}; check user, password \
         and certificates"
    )]
    Refused {
        /// Their addresses.
        brokers: String,
        /// What they say.
        reason: String,
    },
    /// There is no such topic.
    #[error(
        "there is no topic `{topic}` at `{brokers}`, or this user may not write to it: check its \
         name, or make it"
    )]
    NoTopic {
        /// Its name.
        topic: String,
        /// The addresses of the brokers.
        brokers: String,
    },
    /// The topic has output of another data directory.
    #[error(
        "the output of `{sink}` in the topic `{topic}` is of another data directory: the group \
         `{group}` has epoch {delivered} of the directory {found}, and this one is {own}. Either \
         it was reset or restored from a backup, or two runs write under one name. Its epochs \
         begin elsewhere, so output would be left out: give the sink another id, or, if the output \
         of both may stand in the topic, delete that group"
    )]
    OtherDirectory {
        /// The id of the sink.
        sink: String,
        /// The topic.
        topic: String,
        /// The group that holds the position.
        group: String,
        /// The epoch that was delivered last.
        delivered: i64,
        /// The directory that delivered it.
        found: String,
        /// The directory of this run.
        own: String,
    },
    /// The topic has later output than the data directory knows of.
    #[error(
        "the topic `{topic}` has the output of `{sink}` up to epoch {delivered}, and the data \
         directory {own} ends with epoch {committed}: it is an older copy of itself. Its next \
         epochs would be left out: go on with the newer one, or give the sink another id, or \
         delete the group `{group}`"
    )]
    OlderCopy {
        /// The id of the sink.
        sink: String,
        /// The topic.
        topic: String,
        /// The group that holds the position.
        group: String,
        /// The epoch that was delivered last.
        delivered: i64,
        /// The directory of this run.
        own: String,
        /// The epoch that the directory has committed.
        committed: u64,
    },
    /// What stands in the group is not a position of a sink.
    #[error(
        "the group `{group}` is not of a sink of squall: its offset of the topic `{topic}` says \
         {found:?}. Give the sink another id"
    )]
    NotAPosition {
        /// The topic.
        topic: String,
        /// The group.
        group: String,
        /// What the offset has beside it.
        found: String,
    },
    /// What was handed over cannot be read.
    #[error("the output of `{sink}` that waits to be sent is damaged at byte {at}")]
    Damaged {
        /// The id of the sink.
        sink: String,
        /// Where.
        at: usize,
    },
    /// A record is larger than what the client or the broker takes.
    #[error(
        "a record of {bytes} bytes for the topic `{topic}` is too large: raise `message.max.bytes` \
         of the sink and `max.message.bytes` of the topic"
    )]
    TooLarge {
        /// The topic.
        topic: String,
        /// Its size.
        bytes: usize,
    },
    /// A record is larger than what the topic takes.
    #[error(
        "a record is too large for the topic `{topic}`: raise its `max.message.bytes`, or write less"
    )]
    TooLargeForTopic {
        /// The topic.
        topic: String,
    },
    /// The client cannot go on.
    #[error("cannot write to the topic `{topic}`: {reason}")]
    Client {
        /// The topic.
        topic: String,
        /// What librdkafka says.
        reason: String,
    },
}
