//! The writer's side, for tests: what Envoy does with an operator's YAML.

use serde_json::Value;

/// The Struct of an object, its entries in the map's order.
pub fn object(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in value.as_object().unwrap() {
        let mut entry = field(1, key.as_bytes());
        entry.extend(field(2, &self::value(value)));
        out.extend(field(1, &entry));
    }
    out
}

/// A `Value` message.
pub fn value(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => vec![0x08, 0],
        Value::Number(number) => {
            let mut out = vec![0x11];
            out.extend(number.as_f64().unwrap().to_le_bytes());
            out
        }
        Value::String(text) => field(3, text.as_bytes()),
        Value::Bool(bool) => vec![0x20, u8::from(*bool)],
        Value::Object(_) => field(5, &object(value)),
        Value::Array(items) => {
            let items: Vec<u8> = items
                .iter()
                .flat_map(|item| field(1, &self::value(item)))
                .collect();
            field(6, &items)
        }
    }
}

/// A length-delimited field.
pub fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(content);
    out
}
