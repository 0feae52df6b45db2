//! Which cluster, and how its brokers are reached.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;

use squall::text::nearest;

/// A Kafka cluster: the addresses of some of its brokers, and the options of the connections.
///
/// ```
/// use squall_kafka::Kafka;
///
/// let kafka = Kafka::at("broker-1:9093,broker-2:9093")
///     .option("security.protocol", "SASL_SSL")?
///     .option("sasl.mechanism", "SCRAM-SHA-512")?
///     .option("sasl.username", "reader")?
///     .option("sasl.password", "secret")?;
/// assert!(!format!("{kafka:?}").contains("secret"));
/// let error = kafka.option("ssl.ca.locatoin", "ca.pem").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "`ssl.ca.locatoin` is not an option of a Kafka connection; did you mean `ssl.ca.location`?"
/// );
/// # Ok::<(), squall_kafka::OptionError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Kafka {
    brokers: String,
    options: BTreeMap<String, String>,
}

/// An option that is not known, or is not for users.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{option}` is not an option of a Kafka connection; {hint}")]
pub struct OptionError {
    option: String,
    hint: String,
}

/// The options of librdkafka that users may set. What the exactness of spouts and sinks stands on,
/// such as the isolation level or the acknowledgements, is not among them.
///
/// Their meanings: <https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md>.
pub const OPTIONS: [&str; 41] = [
    "batch.num.messages",
    "batch.size",
    "broker.address.family",
    "broker.address.ttl",
    "client.dns.lookup",
    "client.id",
    "compression.level",
    "compression.type",
    "connections.max.idle.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "linger.ms",
    "message.max.bytes",
    "metadata.max.age.ms",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "receive.message.max.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.nagle.disable",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.cipher.suites",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.sigalgs.list",
];

impl Kafka {
    /// A cluster by the addresses of some of its brokers, separated by commas: `localhost:9092`.
    #[must_use]
    pub fn at(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            options: BTreeMap::new(),
        }
    }

    /// Sets one of the [`OPTIONS`], by its name in librdkafka. Its value is checked when a client is
    /// made.
    ///
    /// # Errors
    /// Where there is no such option.
    pub fn option(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, OptionError> {
        let name = name.into();
        if OPTIONS.contains(&&*name) {
            self.options.insert(name, value.into());
            return Ok(self);
        }
        let hint = match nearest(&name, &OPTIONS) {
            Some(option) => format!("did you mean `{option}`?"),
            None => format!("those are {}", OPTIONS.join(", ")),
        };
        Err(OptionError { option: name, hint })
    }

    /// The addresses, as they were given.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// The settings of a client: those of squall, which `options` may change where they are in the
    /// list, and then those that nobody changes.
    pub(crate) fn client(&self, defaults: &[(&str, &str)], fixed: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("client.id", "squall");
        for (name, value) in defaults {
            config.set(*name, *value);
        }
        for (name, value) in &self.options {
            config.set(name, value);
        }
        config.set("bootstrap.servers", &self.brokers);
        for (name, value) in fixed {
            config.set(*name, *value);
        }
        config
    }
}

/// Without the values of its options, some of which are secrets.
impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.options.keys().collect();
        f.debug_struct("Kafka")
            .field("brokers", &self.brokers)
            .field("options", &names)
            .finish()
    }
}
