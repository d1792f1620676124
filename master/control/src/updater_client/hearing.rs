//! What is made of the lines that a host says while an order runs. A host may say anything: what it
//! says of other transactions, and more than there is to say, is never handed on.

use std::sync::Arc;

use protocol::{Event, EventKind, Phase, TransactionId};
use serde_json::Value;

use crate::updater_client::answer::{parse, shown};
use crate::updater_client::{Answer, ClientError};

/// Phases that one order may go through. An honest one has a dozen.
const MOST_PHASES: u32 = 100;

/// Something that was heard while an order ran.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// Bytes of the archive went out.
    Sent { bytes: u64, total: u64 },
    /// The host said what it does.
    Event(Box<Event>),
    /// The host was asked what it does, since its stream was silent or broke.
    Still(Phase),
    /// Its updater is being replaced now.
    UpdatingSelf,
}

/// Who wants to hear it. It is called from the order's own task and must not block.
pub type Listener = Arc<dyn Fn(Heard) + Send + Sync>;

/// One order, as it is heard of.
pub struct Hearing<'a> {
    listener: &'a Listener,
    transaction: &'a mut Option<TransactionId>,
    phases: u32,
}

impl<'a> Hearing<'a> {
    /// `transaction` is kept up to what is known of it.
    pub fn new(listener: &'a Listener, transaction: &'a mut Option<TransactionId>) -> Self {
        Self { listener, transaction, phases: 0 }
    }

    /// The order's transaction, as soon as the host has named it.
    pub(super) fn transaction(&self) -> Option<&TransactionId> {
        self.transaction.as_ref()
    }

    /// Takes one line in: the end of the order, if it says that. What a newer updater says besides
    /// is left alone.
    pub fn line(&mut self, line: &[u8]) -> Result<Option<Answer>, ClientError> {
        let value = parse(line).ok_or_else(|| {
            let text = Value::String(String::from_utf8_lossy(line).into_owned());
            ClientError::Malformed(format!("a line is no JSON: {}", shown(&text)))
        })?;
        if !value.is_object() {
            return Err(ClientError::Malformed(format!("a line is no event: {}", shown(&value))));
        }
        if value.get("type").and_then(Value::as_str) == Some("result") {
            return self.result(&value).map(Some);
        }
        if let Ok(event) = serde_json::from_value::<Event>(value) {
            self.event(event)?;
        }
        Ok(None)
    }

    /// How the order ended, by the host's word. It has no word on the order by another's end.
    pub(super) fn result(&self, value: &Value) -> Result<Answer, ClientError> {
        let mut answer = Answer::of_result(value)?;
        if let (Some(known), Some(said)) = (&*self.transaction, &answer.transaction)
            && known != said
        {
            return Err(ClientError::Malformed(format!("it is about {said}, not {known}")));
        }
        answer.transaction = answer.transaction.or_else(|| self.transaction.clone());
        Ok(answer)
    }

    fn event(&mut self, event: Event) -> Result<(), ClientError> {
        if self.transaction.is_none() {
            self.transaction.clone_from(&event.transaction);
        }
        if event.transaction != *self.transaction {
            return Ok(());
        }
        if matches!(event.kind, EventKind::Phase { .. }) {
            self.phases += 1;
            if self.phases > MOST_PHASES {
                return Err(ClientError::Malformed(
                    "it goes through phases without end".to_owned(),
                ));
            }
        }
        (self.listener)(Heard::Event(Box::new(event)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::updater_client::testing::{TRANSACTION, ear, event, result};

    const ANOTHER: &str = "0190a5c2-6f00-7000-8000-000000000001";

    fn of_another(mut value: Value) -> Vec<u8> {
        value["transaction"] = json!(ANOTHER);
        value.to_string().into_bytes()
    }

    fn phase() -> Value {
        event(1, &json!({"type": "phase", "phase": "building", "kind": "update"}))
    }

    #[test]
    fn what_is_said_of_another_transaction_does_not_count() {
        let (listener, heard) = ear();
        let mut transaction = None;
        let mut hearing = Hearing::new(&listener, &mut transaction);
        assert!(hearing.line(phase().to_string().as_bytes()).unwrap().is_none());
        assert!(hearing.line(&of_another(phase())).unwrap().is_none());
        let lie = hearing.line(&of_another(result("updated")));
        assert!(matches!(lie, Err(ClientError::Malformed(_))), "{lie:?}");
        assert!(hearing.line(result("updated").to_string().as_bytes()).unwrap().is_some());
        assert_eq!(transaction.unwrap().as_str(), TRANSACTION);
        assert_eq!(heard.lock().unwrap().len(), 1);
    }

    #[test]
    fn phases_without_end_are_not_handed_on_without_end() {
        let (listener, heard) = ear();
        let mut transaction = None;
        let mut hearing = Hearing::new(&listener, &mut transaction);
        let line = phase().to_string();
        let ended = (0..1000).find_map(|_| hearing.line(line.as_bytes()).err());
        assert!(matches!(ended, Some(ClientError::Malformed(_))), "{ended:?}");
        assert_eq!(heard.lock().unwrap().len(), usize::try_from(MOST_PHASES).unwrap());
    }

    #[test]
    fn no_text_that_is_handed_on_is_longer_than_a_person_would_read() {
        let (listener, heard) = ear();
        let mut transaction = None;
        let mut line = phase();
        line["detail"] = json!("x".repeat(100_000));
        let mut hearing = Hearing::new(&listener, &mut transaction);
        hearing.line(line.to_string().as_bytes()).unwrap();
        let heard = heard.lock().unwrap();
        let Heard::Event(event) = &heard[0] else { panic!("{heard:?}") };
        let EventKind::Phase { detail, .. } = &event.kind else { panic!("{event:?}") };
        assert!(detail.as_ref().unwrap().chars().count() < 3000);
    }
}
