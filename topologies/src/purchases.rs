//! Purchases out of files, folders, globs and standard input as options.

use std::sync::Arc;

use clap::Args;
use serde::Serialize;
use squall::connectors::files::{FieldSelector, Record};
use squall::connectors::{Files, ReadDepot};
use squall::{
    Context, DataDir, Decimal, Next, Result, Spout, SpoutOut, Text, Tuple, decimal::DecimalError,
    state::Meaning,
};

#[cfg(feature = "kafka")]
use crate::connections::Connections;
use crate::input::{Input, NamedField, PlainText};
#[cfg(feature = "kafka")]
use crate::kafka::TopicRecords;
use crate::position::{From, Position};
use crate::totals::WithoutKey;
use crate::wrong::WrongUse;

/// What a user has spent at once, or got back.
#[derive(Tuple, Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// Who.
    pub user: Text,
    /// How much, in cents; below 0 where it was taken back.
    pub cents: i64,
}

/// What to read, and where in it the purchases are.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Purchases {
    /// What to read.
    #[command(flatten)]
    pub input: Input,
    /// The CSV column, or the dotted path of the JSON value, with the user. A record without a user
    /// is left out, and the log says how many there were; 17850.0 is the user 17850
    #[arg(long, value_name = "NAME", requires = "source")]
    pub user_field: Option<String>,
    /// The column or path with the amount in whole cents
    #[arg(
        long,
        value_name = "NAME",
        requires = "source",
        conflicts_with_all = ["price_field", "quantity_field"]
    )]
    pub cents_field: Option<String>,
    /// The column or path with the unit price, a decimal number: the amount is the price times the
    /// quantity, rounded to cents, a half away from zero
    #[arg(long, value_name = "NAME", requires_all = ["source", "quantity_field"])]
    pub price_field: Option<String>,
    /// The column or path with the quantity, a decimal number
    #[arg(long, value_name = "NAME", requires_all = ["source", "price_field"])]
    pub quantity_field: Option<String>,
    /// Leave out negative amounts: cancellations and returns
    #[arg(long, requires = "source")]
    pub skip_negative: bool,
    /// Read this depot of the data directory instead of files, until the run is stopped; `squall
    /// depot append` fills it
    #[arg(long, value_name = "NAME", group = "source", conflicts_with = "input")]
    pub depot: Option<String>,
    /// Where to begin to read a depot or a topic, and whether to end.
    #[command(flatten)]
    pub position: Position,
}

/// What is read of each record, as a data directory keeps it.
#[derive(Serialize, Debug)]
pub struct PurchasesMeaning<'p> {
    user_field: Option<&'p str>,
    cents_field: Option<&'p str>,
    price_field: Option<&'p str>,
    quantity_field: Option<&'p str>,
    skip_negative: bool,
}

/// The option that is asked for where none says what was spent.
const AMOUNT_OPTIONS: &str = "--cents-field, or by --price-field and --quantity-field";

/// Each field is named.
fn all_named(fields: &[NamedField<'_>]) -> Result<(), WrongUse> {
    match fields.iter().find(|field| field.name.is_none()) {
        Some(NamedField { option, .. }) => Err(WrongUse::NothingNamed { option }),
        None => Ok(()),
    }
}

impl Purchases {
    /// The files, looked into: they exist, and have the fields. None where no input is named.
    ///
    /// # Errors
    /// The first thing that would make a run fail or do nothing.
    pub fn files(&self) -> Result<Option<Files>, WrongUse> {
        let fields = self.fields();
        let Some(files) = self.input.files(&fields, PlainText::Refused)? else {
            return Ok(None);
        };
        // A folder that is followed may have no file yet, and a file no header.
        all_named(&fields)?;
        self.position.check_unused()?;
        let names = fields.iter().filter_map(|field| field.name);
        let files = files.fields(names.map(FieldSelector::named));
        Ok(Some(files.check()?))
    }

    /// The fields that are read, with the options that name them.
    fn fields(&self) -> Vec<NamedField<'_>> {
        let user = NamedField::of("--user-field", self.user_field.as_ref());
        let price = NamedField::of("--price-field", self.price_field.as_ref());
        let quantity = NamedField::of("--quantity-field", self.quantity_field.as_ref());
        let cents = NamedField::of(AMOUNT_OPTIONS, self.cents_field.as_ref());
        if price.name.is_some() {
            vec![user, price, quantity]
        } else {
            vec![user, cents]
        }
    }

    /// The topic of Kafka. None where none is named.
    ///
    /// # Errors
    /// What is wrong with the options.
    #[cfg(feature = "kafka")]
    pub fn topic(&self, connections: &Connections) -> Result<Option<TopicRecords>, WrongUse> {
        if !self.input.names_topic() {
            return Ok(None);
        }
        all_named(&self.fields())?;
        self.input.topic(&self.position, connections)
    }

    /// The depot as it is to be read. None where none is named.
    ///
    /// # Errors
    /// Where there is no such depot, or nothing says what to read of its records.
    pub fn depot(&self, data_dir: &DataDir) -> Result<Option<ReadDepot>, WrongUse> {
        let Some(name) = &self.depot else {
            return Ok(None);
        };
        let no_field = |option| WrongUse::NoFieldOfDepot {
            depot: name.clone(),
            option,
        };
        if self.user_field.is_none() {
            return Err(no_field("--user-field"));
        }
        if self.price_field.is_none() && self.cents_field.is_none() {
            return Err(no_field(AMOUNT_OPTIONS));
        }
        let (price, quantity) = (self.price_field.iter(), self.quantity_field.iter());
        let amount = price.chain(quantity).chain(&self.cents_field);
        let names = self.user_field.iter().chain(amount);
        let fields = names.map(|name| FieldSelector::named(name));
        let read = data_dir.depot(name)?.read().fields(fields);
        let read = match self.position.from {
            None => read,
            Some(From::End) => read.from_end(),
            Some(From::Beginning) => read.from_beginning(),
            Some(From::Time(_)) => return Err(WrongUse::TimeOfDepot),
        };
        Ok(Some(if self.position.until_end {
            read.until_end()
        } else {
            read
        }))
    }

    /// What the purchases mean, as far as the options decide it.
    #[must_use]
    pub fn meaning(&self) -> PurchasesMeaning<'_> {
        PurchasesMeaning {
            user_field: self.user_field.as_deref(),
            cents_field: self.cents_field.as_deref(),
            price_field: self.price_field.as_deref(),
            quantity_field: self.quantity_field.as_deref(),
            skip_negative: self.skip_negative,
        }
    }

    /// What makes purchases of records.
    #[must_use]
    pub fn reading(&self) -> ReadPurchases {
        let selector = |name: &Option<String>| {
            let name = name.as_deref();
            name.map_or_else(FieldSelector::whole, FieldSelector::named)
        };
        let amount = if self.price_field.is_some() {
            Amount::Product {
                price: selector(&self.price_field),
                quantity: selector(&self.quantity_field),
            }
        } else {
            Amount::Cents(selector(&self.cents_field))
        };
        ReadPurchases {
            user: selector(&self.user_field),
            amount,
            skip_negative: self.skip_negative,
            without_user: Arc::default(),
        }
    }
}

/// Makes purchases of records, from whatever these come.
#[derive(Clone, Debug)]
pub struct ReadPurchases {
    user: FieldSelector,
    amount: Amount,
    skip_negative: bool,
    without_user: Arc<WithoutKey>,
}

/// Where the amount is.
#[derive(Clone, Debug)]
enum Amount {
    Cents(FieldSelector),
    Product {
        price: FieldSelector,
        quantity: FieldSelector,
    },
}

/// Why the amount of a record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// There is a user, or another key, and no amount.
    #[error("{field} is empty, but there is a {of}")]
    Missing {
        /// The field, in backticks.
        field: String,
        /// What there is: `user` or `key`.
        of: &'static str,
    },
    /// What is there is no amount.
    #[error("{field}: {cause}")]
    Number {
        /// The field, in backticks.
        field: String,
        /// What is wrong with it.
        #[source]
        cause: DecimalError,
    },
    /// Price and quantity are numbers, and the amount is none that can be kept.
    #[error("price times quantity: {0}")]
    Product(
        /// What is wrong with it.
        #[source]
        DecimalError,
    ),
}

impl ReadPurchases {
    /// The purchase of a record; none where there is no user, or where it is below zero and that
    /// is to be left out.
    ///
    /// # Errors
    /// [`AmountError`], and where a field is none.
    pub fn purchase(&self, record: &Record) -> Result<Option<Purchase>> {
        let Some(user) = record.field(&self.user)? else {
            self.without_user.count(record, &self.user);
            return Ok(None);
        };
        self.without_user.has();
        let (cents, negative) = match &self.amount {
            Amount::Cents(field) => {
                let number = decimal(record, field, USER)?;
                let cents = number.whole().map_err(|cause| AmountError::Number {
                    field: field.to_string(),
                    cause,
                })?;
                (cents, number.is_negative())
            }
            Amount::Product { price, quantity } => {
                let (price, quantity) = (
                    decimal(record, price, USER)?,
                    decimal(record, quantity, USER)?,
                );
                let product = price.checked_mul(quantity);
                let cents = product.and_then(Decimal::cents);
                let cents = cents.map_err(AmountError::Product)?;
                (cents, price.is_negative() != quantity.is_negative())
            }
        };
        if negative && self.skip_negative {
            return Ok(None);
        }
        let user = without_zeros(&user).into();
        Ok(Some(Purchase { user, cents }))
    }
}

/// Whose amounts these are.
const USER: &str = "user";

/// The amount in a field of a record, which has what it is an amount of.
pub(crate) fn decimal(record: &Record, field: &FieldSelector, of: &'static str) -> Result<Decimal> {
    let Some(text) = record.field(field)? else {
        let field = field.to_string();
        return Err(AmountError::Missing { field, of }.into());
    };
    let number = text.parse().map_err(|cause| AmountError::Number {
        field: field.to_string(),
        cause,
    });
    Ok(number?)
}

/// A whole number as it is written without a point: programs that keep a column as floating
/// point because some of it is empty write the user `17850` as `17850.0`.
fn without_zeros(user: &str) -> &str {
    let digits = |text: &str, digit: fn(u8) -> bool| !text.is_empty() && text.bytes().all(digit);
    match user.split_once('.') {
        Some((number, zeros))
            if digits(zeros, |byte| byte == b'0')
                && digits(number.strip_prefix('-').unwrap_or(number), |byte| {
                    byte.is_ascii_digit()
                }) =>
        {
            number
        }
        _ => user,
    }
}

/// The users of [`RandomPurchases`].
const RANDOM_USERS: u32 = 1_000;

/// Emits random purchases without end, of a thousand users of whom the first buy most often.
///
/// The same purchases by the same task in each run; each task has purchases of its own.
#[derive(Clone, Debug, Default)]
pub struct RandomPurchases {
    random: fastrand::Rng,
}

#[derive(Serialize)]
struct RandomMeaning {
    reads: &'static str,
}

impl Spout for RandomPurchases {
    type Output = Purchase;

    fn open(&mut self, context: &Context, _: &mut SpoutOut<Purchase>) -> Result {
        self.random = fastrand::Rng::with_seed(context.task as u64);
        Ok(())
    }

    fn meaning(&self) -> Meaning {
        Meaning::of(&RandomMeaning {
            reads: "random purchases",
        })
    }

    fn next(&mut self, out: &mut SpoutOut<Purchase>) -> Result<Next> {
        let random = &mut self.random;
        let user = random.u32(..RANDOM_USERS).min(random.u32(..RANDOM_USERS));
        let cents = random.i64(1..10_000);
        let user = format!("user-{user}").into();
        out.emit(Purchase { user, cents });
        Ok(Next::More)
    }
}

#[cfg(test)]
mod tests {
    use squall::connectors::files::{Delimiter, Format, Outcome, RecordReader};

    use super::*;

    /// What is made of the records of a CSV file.
    fn read(options: &Purchases, csv: &'static str) -> Vec<Result<Option<(String, i64)>, String>> {
        let input = Box::new(csv.as_bytes());
        let mut reader = RecordReader::new(input, "in", Format::Csv, Delimiter::COMMA);
        let mut record = Record::new();
        let mut purchases = Vec::new();
        while reader.next(&mut record).unwrap() == Outcome::Record {
            let purchase = options.reading().purchase(&record);
            let purchase = purchase.map_err(|error| error.to_string());
            let plain = |purchase: Purchase| (purchase.user.to_string(), purchase.cents);
            purchases.push(purchase.map(|purchase| purchase.map(plain)));
        }
        purchases
    }

    fn by_product() -> Purchases {
        Purchases {
            user_field: Some("user".to_owned()),
            price_field: Some("price".to_owned()),
            quantity_field: Some("quantity".to_owned()),
            ..Purchases::default()
        }
    }

    fn of(user: &str, cents: i64) -> (String, i64) {
        (user.to_owned(), cents)
    }

    #[test]
    fn the_amount_is_price_times_quantity_rounded_once() {
        let rows = "user,price,quantity\na,2.55,6\nb,0.001,4\nc,0.001,5\nd,4.95,-2\ne,0.125,-2.2\n";
        let purchases: Result<Vec<_>, _> = read(&by_product(), rows).into_iter().collect();
        let expected = [
            Some(of("a", 1_530)),
            Some(of("b", 0)),
            Some(of("c", 1)),
            Some(of("d", -990)),
            Some(of("e", -28)),
        ];
        assert_eq!(purchases.unwrap(), expected);
    }

    #[test]
    fn a_whole_number_is_one_user_however_it_is_written() {
        let table = [
            ("17850.0", "17850"),
            ("17850.000", "17850"),
            ("-1.0", "-1"),
            ("17850", "17850"),
            ("17850.5", "17850.5"),
            ("17850.", "17850."),
            (".0", ".0"),
            ("v1.0", "v1.0"),
            ("1.2.0", "1.2.0"),
        ];
        for (written, user) in table {
            assert_eq!(without_zeros(written), user);
        }
    }

    #[test]
    fn a_record_without_a_user_is_passed_over_whatever_else_is_in_it() {
        let rows = "user,price,quantity\n,1,1\n,x,y\n,,\n";
        assert_eq!(read(&by_product(), rows), [Ok(None), Ok(None), Ok(None)]);
    }

    #[test]
    fn bad_amounts_are_named_with_their_field() {
        let rows = "user,price,quantity\na,free,1\na,1,\na,1e30,1e30\na,1,1\n";
        let [price, quantity, product, good] = &read(&by_product(), rows)[..] else {
            panic!("four records");
        };
        let parts = ["`price`: \"free\" is not a decimal number"];
        let error = price.as_ref().unwrap_err();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        assert_eq!(
            quantity.as_ref().unwrap_err(),
            "`quantity` is empty, but there is a user"
        );
        let error = product.as_ref().unwrap_err();
        assert!(error.starts_with("price times quantity: "), "{error}");
        assert_eq!(*good, Ok(Some(of("a", 100))));
    }

    #[test]
    fn cents_are_whole_and_may_be_written_with_a_point() {
        let by_cents = Purchases {
            user_field: Some("user".to_owned()),
            cents_field: Some("cents".to_owned()),
            ..Purchases::default()
        };
        let rows = "user,cents\na,300\nb,-12.0\nc,1.5\n";
        let [whole, point, half] = &read(&by_cents, rows)[..] else {
            panic!("three records");
        };
        assert_eq!(
            (whole, point),
            (&Ok(Some(of("a", 300))), &Ok(Some(of("b", -12))))
        );
        assert_eq!(
            half.as_ref().unwrap_err(),
            "`cents`: 1.5 is not a whole number"
        );

        let no_negative = Purchases {
            skip_negative: true,
            ..by_cents
        };
        assert_eq!(
            read(&no_negative, rows)[..2],
            [Ok(Some(of("a", 300))), Ok(None)]
        );
    }

    #[test]
    fn what_is_below_zero_is_left_out_where_that_is_asked() {
        let options = Purchases {
            skip_negative: true,
            ..by_product()
        };
        let rows = "user,price,quantity\na,1,-1\na,-1,1\na,0.001,-1\na,0,1\na,1,1\n";
        let purchases = read(&options, rows);
        let left = [
            Ok(None),
            Ok(None),
            Ok(None),
            Ok(Some(of("a", 0))),
            Ok(Some(of("a", 100))),
        ];
        assert_eq!(purchases, left);
    }
}
