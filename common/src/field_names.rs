//! The names of a struct's fields, as serde reads them: what a configuration's unknown keys are held
//! against, without a list of them beside the struct.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, StdError, Visitor};

/// The names of the fields, in the order of the struct; none for what is no struct.
pub fn field_names<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    match T::deserialize(Asking) {
        Err(Names(names)) => names,
        Ok(_) => &[],
    }
}

/// Has no value: it is asked for a struct of certain fields, and ends with their names.
struct Asking;

#[derive(Debug)]
struct Names(&'static [&'static str]);

impl<'de> Deserializer<'de> for Asking {
    type Error = Names;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Names> {
        Err(Names(&[]))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Names> {
        Err(Names(fields))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl Error for Names {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }
}

impl StdError for Names {}

impl fmt::Display for Names {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    #[expect(dead_code, reason = "only its fields' names matter")]
    struct Section {
        listen: String,
        #[serde(rename = "self")]
        this: u32,
    }

    #[test]
    fn fields_have_the_names_that_they_are_read_by() {
        assert_eq!(field_names::<Section>(), ["listen", "self"]);
        assert_eq!(field_names::<String>(), [""; 0]);
    }
}
