//! XML of AWS as JSON: an element is an object of its children, several children of one name are a list, text is text.
//! Knows nothing of requests.

use roxmltree::{Document, Node};
use serde_json::{Map, Value};

/// Elements inside of each other that are read.
const DEEPEST: usize = 64;

/// What is inside of the outermost element.
///
/// # Errors
/// When it is no XML, or too deep.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let document = Document::parse(text).map_err(|error| error.to_string())?;
    value(document.root_element(), 0)
}

fn value(node: Node<'_, '_>, depth: usize) -> Result<Value, String> {
    if depth > DEEPEST {
        return Err(format!("more than {DEEPEST} elements inside of each other"));
    }
    let mut fields = Map::new();
    for child in node.children().filter(Node::is_element) {
        let value = value(child, depth + 1)?;
        match fields.get_mut(child.tag_name().name()) {
            None => {
                fields.insert(child.tag_name().name().to_owned(), value);
            }
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Ok(match fields.is_empty() {
        true => Value::String(node.text().unwrap_or_default().to_owned()),
        false => Value::Object(fields),
    })
}

/// A list, however long: none, one or several elements of a name. `names` lead to it.
pub(super) fn list<'v>(value: &'v Value, names: &[&str]) -> Vec<&'v Value> {
    let found = names.iter().fold(value, |value, name| &value[*name]);
    match found {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        Value::String(text) if text.is_empty() => Vec::new(),
        one => vec![one],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn elements_become_fields_and_lists() {
        let text =
            "<R xmlns='http://x/'><L><member>a</member><member>b</member></L><One><member>c</member></One><E/></R>";
        let found = read(text).unwrap();
        assert_eq!(found, json!({"L": {"member": ["a", "b"]}, "One": {"member": "c"}, "E": ""}));
        assert_eq!(list(&found, &["L", "member"]).len(), 2);
        assert_eq!(list(&found, &["One", "member"]), [&json!("c")]);
        assert!(list(&found, &["E", "member"]).is_empty() && list(&found, &["E"]).is_empty());
    }

    #[test]
    fn what_is_no_xml_or_too_deep_is_refused() {
        assert!(read("{\"not\": \"xml\"}").is_err());
        assert!(read(&format!("{}{}", "<a>".repeat(100), "</a>".repeat(100))).is_err());
    }
}
