//! Keys that take a list of texts: in a file a list, in a variable or a flag one text with commas.

use super::section::Section;
use super::tree::Value;

impl Section<'_> {
    /// The texts of the list `key`, trimmed; none when it is null or wrong.
    pub fn texts(&self, key: &'static str) -> Vec<String> {
        let node = self.raw(key);
        let Some(node) = node.filter(|node| !matches!(node.value, Value::Null)) else {
            return Vec::new();
        };
        let Value::List(items) = &node.value else {
            let text = self.optional(key).unwrap_or_default();
            let parts = text.split(',').map(|part| part.trim().to_owned());
            return parts.filter(|part| !part.is_empty()).collect();
        };
        if items.len() > MOST {
            self.wrong(key, &format!("takes at most {MOST}"));
            return Vec::new();
        }
        let texts = items.iter().filter_map(|item| match &item.value {
            Value::Text(text, _) => Some(text.trim().to_owned()),
            Value::Null | Value::List(_) | Value::Map(_) => {
                self.wrong(key, "takes a list of texts");
                None
            }
        });
        texts.collect()
    }
}

/// Texts in one list.
const MOST: usize = 1000;
