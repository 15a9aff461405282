//! Events as JSON values.

use engine::RecordBatch;
use engine::record::{Body, Datum, Item, Record};
use serde_json::{Map, Value};

/// The values of a record's event, and its type.
pub(crate) fn event(batch: &RecordBatch, record: &Record) -> (&'static str, Value) {
    let Body::Event(kind) = record.body else { return ("flow", Value::Null) };
    let mut items = batch.items(record).iter();
    (kind, object(batch, &mut items))
}

/// The events of a batch that are of this type.
pub(crate) fn events(batch: &RecordBatch, kind: &str) -> Vec<Value> {
    let all = batch.records().iter().map(|record| event(batch, record));
    all.filter(|(name, _)| *name == kind).map(|(_, value)| value).collect()
}

fn object<'a>(batch: &RecordBatch, items: &mut impl Iterator<Item = &'a Item>) -> Value {
    let mut members = Map::new();
    while let Some(item) = items.next() {
        if item.value == Datum::Close {
            break;
        }
        let value = value(batch, item.value, items);
        assert!(members.insert(item.name.to_owned(), value).is_none(), "{} twice", item.name);
    }
    Value::Object(members)
}

fn list<'a>(batch: &RecordBatch, items: &mut impl Iterator<Item = &'a Item>) -> Value {
    let mut members = Vec::new();
    while let Some(item) = items.next() {
        if item.value == Datum::Close {
            break;
        }
        members.push(value(batch, item.value, items));
    }
    Value::Array(members)
}

fn value<'a>(batch: &RecordBatch, value: Datum, items: &mut impl Iterator<Item = &'a Item>) -> Value {
    match value {
        Datum::Unsigned(number) | Datum::Time(number) => number.into(),
        Datum::Signed(number) => number.into(),
        Datum::Real(number) => number.into(),
        Datum::Flag(flag) => flag.into(),
        Datum::Static(text) => text.into(),
        Datum::Text(..) => String::from_utf8_lossy(batch.text(value)).into_owned().into(),
        Datum::Hex(..) => {
            batch.text(value).iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
        }
        Datum::Ip(address) => address.to_string().into(),
        Datum::Object => object(batch, items),
        Datum::List => list(batch, items),
        Datum::Close => Value::Null,
    }
}
