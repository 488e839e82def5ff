//! DynamoDB's typed values as plain JSON, and back. Knows nothing of requests.

use serde_json::{Map, Value, json};

/// A plain value with its type, as DynamoDB takes it.
pub(super) fn typed(value: &Value) -> Value {
    match value {
        Value::Null => json!({ "NULL": true }),
        Value::Bool(truth) => json!({ "BOOL": truth }),
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::String(text) => json!({ "S": text }),
        Value::Array(items) => json!({ "L": items.iter().map(typed).collect::<Vec<_>>() }),
        Value::Object(fields) => json!({ "M": typed_all(fields) }),
    }
}

/// Every field with its type.
pub(super) fn typed_all(fields: &Map<String, Value>) -> Value {
    fields.iter().map(|(name, value)| (name.clone(), typed(value))).collect::<Map<_, _>>().into()
}

/// A value of DynamoDB without its type. Bytes are not shown.
pub(super) fn plain(value: &Value) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|fields| fields.iter().next()) else { return Value::Null };
    match kind.as_str() {
        "N" => number(inner),
        "NS" => inner.as_array().into_iter().flatten().map(number).collect(),
        "S" | "BOOL" | "SS" => inner.clone(),
        "L" => inner.as_array().into_iter().flatten().map(plain).collect(),
        "M" => plain_all(inner),
        "B" | "BS" => json!("(bytes)"),
        _ => Value::Null,
    }
}

/// Every attribute of an item without its type.
pub(super) fn plain_all(item: &Value) -> Value {
    let fields = item.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.clone(), plain(value))).collect::<Map<_, _>>().into()
}

fn number(text: &Value) -> Value {
    text.as_str().and_then(|text| serde_json::from_str(text).ok()).filter(Value::is_number).unwrap_or(text.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_went() {
        let item = json!({"id": "a", "n": 7, "ok": true, "none": null, "l": [1, "x"], "m": {"deep": {"n": 1.5}}});
        let there = typed_all(item.as_object().unwrap());
        assert_eq!(there["n"], json!({"N": "7"}));
        assert_eq!(plain_all(&there), item);
    }

    #[test]
    fn sets_and_bytes_are_read() {
        assert_eq!(plain(&json!({"NS": ["1", "2"]})), json!([1, 2]));
        assert_eq!(plain(&json!({"SS": ["a"]})), json!(["a"]));
        assert_eq!(plain(&json!({"B": "c2VjcmV0"})), json!("(bytes)"));
    }
}
