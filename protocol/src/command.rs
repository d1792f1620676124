//! A command in a file of settings, and what stands for none.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer};
use serde::de::{Deserializer, Error as DeError, MapAccess, SeqAccess, Visitor};

/// A command and its arguments: a list of words, or one line that is split at white space outside of
/// quotes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "CommandForm")]
pub struct Command(pub Vec<String>);

/// A quote of a line has no other one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the quote {quote} in {line:?} is not closed; in a list of words (['bin/agent', '--port', '1']) a quote is a \
     character like any"
)]
pub struct OpenQuote {
    quote: char,
    line: String,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a command: a list of words (['bin/agent', '--port', '1']), or one line of them"
)]
enum CommandForm {
    Words(Vec<String>),
    Line(String),
}

impl TryFrom<CommandForm> for Command {
    type Error = OpenQuote;

    fn try_from(form: CommandForm) -> Result<Self, OpenQuote> {
        Ok(Self(match form {
            CommandForm::Words(words) => words,
            CommandForm::Line(line) => split(&line)?,
        }))
    }
}

/// A command that starts a program. An empty list starts none; an empty line is a mistake, and stays one
/// empty word.
pub fn program_command<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Command>, D::Error> {
    Ok(Some(match CommandForm::deserialize(from)? {
        CommandForm::Line(line) if line.trim().is_empty() => Command(vec![String::new()]),
        form => form.try_into().map_err(D::Error::custom)?,
    }))
}

/// A section `run`, or a command in its place, which is the section's `command`: `run = []`.
pub fn run_or_command<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + From<Command>,
{
    from.deserialize_any(RunVisitor(PhantomData))
}

struct RunVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + From<Command>> Visitor<'de> for RunVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a section, or a command: [] for a release without a process")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, words: A) -> Result<T, A::Error> {
        command(SeqAccessDeserializer::new(words))
    }

    fn visit_str<E: DeError>(self, line: &str) -> Result<T, E> {
        command(StrDeserializer::new(line))
    }
}

fn command<'de, T: From<Command>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    let command = program_command(from)?.map(T::from);
    command.ok_or_else(|| D::Error::custom("a command is missing"))
}

/// The words of a line, as a shell would split it: quotes hold a word together and are not part of it.
/// Nothing else that a shell knows has a meaning.
fn split(line: &str) -> Result<Vec<String>, OpenQuote> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some('"'), '\\') => {
                let Some(next) = characters.next() else { break };
                let word = word.get_or_insert_default();
                if !matches!(next, '"' | '\\') {
                    word.push('\\');
                }
                word.push(next);
            }
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    match quote {
        Some(quote) => Err(OpenQuote { quote, line: line.to_owned() }),
        None => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_as_a_shell_would_but_for_what_only_a_shell_knows() {
        for (line, words) in [
            ("bin/agent  --port 8765", &["bin/agent", "--port", "8765"][..]),
            ("sh -c 'exec  bin/agent $HOME'", &["sh", "-c", "exec  bin/agent $HOME"]),
            (r#"a "b c"'d "e' "" "f\"g\\h\i""#, &["a", "b cd \"e", "", "f\"g\\h\\i"]),
            (r"a\b c", &[r"a\b", "c"]),
            ("", &[]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
    }

    #[test]
    fn a_quote_that_is_not_closed_is_told_with_the_form_that_takes_it() {
        for (line, quote) in [("echo it's", '\''), (r#"sh -c "exec agent"#, '"'), (r#"a "b\"#, '"')]
        {
            let text = serde_json::to_string(line).unwrap();
            let said = serde_json::from_str::<Command>(&text).unwrap_err().to_string();
            assert!(said.contains(&format!("the quote {quote} in")), "{said}");
            assert!(said.contains("list of words"), "{said}");
        }
        let words = serde_json::from_str::<Command>(r#"["echo", "it's"]"#).unwrap();
        assert_eq!(words.0, ["echo", "it's"]);
    }
}
