//! Understands the lines that an updater sends while an order runs. A host may send anything: what it
//! says of other transactions, and more than an honest updater has to say, is never passed on.

use protocol::{AppName, Event, EventKind, TransactionId};
use serde_json::Value;

use crate::updater_client::host_json::{parse, shown};
use crate::updater_client::{ClientError, OrderProgress, OrderResult, ProgressCallback};

/// Phases that one order may go through. An honest one has a dozen.
const MOST_PHASES: u32 = 100;

/// The stream of one order, from its first line to its result.
pub struct OrderStream<'a> {
    progress: &'a ProgressCallback,
    transaction: &'a mut Option<TransactionId>,
    app: Option<&'a AppName>,
    phases: u32,
}

impl<'a> OrderStream<'a> {
    /// `transaction` is set as soon as the updater has named it.
    pub fn new(progress: &'a ProgressCallback, transaction: &'a mut Option<TransactionId>) -> Self {
        Self { progress, transaction, app: None, phases: 0 }
    }

    /// The stream of an order about this app: a result of another one is none.
    #[must_use]
    pub(super) const fn of_app(self, app: Option<&'a AppName>) -> Self {
        Self { app, ..self }
    }

    /// The order's transaction, once the updater has named it.
    pub(super) fn transaction(&self) -> Option<&TransactionId> {
        self.transaction.as_ref()
    }

    /// Understands one line; gives the result, if it is that. What only a newer updater says is
    /// ignored.
    pub fn read_line(&mut self, line: &[u8]) -> Result<Option<OrderResult>, ClientError> {
        let value = parse(line).ok_or_else(|| {
            let text = Value::String(String::from_utf8_lossy(line).into_owned());
            ClientError::Malformed(format!("a line is no JSON: {}", shown(&text)))
        })?;
        if !value.is_object() {
            return Err(ClientError::Malformed(format!("a line is no event: {}", shown(&value))));
        }
        if value.get("type").and_then(Value::as_str) == Some("result") {
            return self.read_result(&value).map(Some);
        }
        if let Ok(event) = serde_json::from_value::<Event>(value) {
            self.pass_on(event)?;
        }
        Ok(None)
    }

    /// How the order ended, by the updater's word. A result of another transaction says nothing of it.
    pub(super) fn read_result(&self, value: &Value) -> Result<OrderResult, ClientError> {
        let mut answer = OrderResult::from_result(value)?;
        if let (Some(known), Some(said)) = (&*self.transaction, &answer.transaction)
            && known != said
        {
            return Err(ClientError::Malformed(format!("it is about {said}, not {known}")));
        }
        answer.transaction = answer.transaction.or_else(|| self.transaction.clone());
        let said = value.get("app").and_then(Value::as_str);
        Ok(match (self.app, said) {
            (Some(app), Some(said)) if said != app.as_str() => {
                answer.contradictory(&format!("about the app {said}, and {app} was ordered"))
            }
            _ => answer,
        })
    }

    fn pass_on(&mut self, event: Event) -> Result<(), ClientError> {
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
        (self.progress)(OrderProgress::Event(Box::new(event)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::updater_client::testing::{TRANSACTION, event, record_progress, result};

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
        let (progress, heard) = record_progress();
        let mut transaction = None;
        let mut stream = OrderStream::new(&progress, &mut transaction);
        assert!(stream.read_line(phase().to_string().as_bytes()).unwrap().is_none());
        assert!(stream.read_line(&of_another(phase())).unwrap().is_none());
        let lie = stream.read_line(&of_another(result("updated")));
        assert!(matches!(lie, Err(ClientError::Malformed(_))), "{lie:?}");
        assert!(stream.read_line(result("updated").to_string().as_bytes()).unwrap().is_some());
        assert_eq!(transaction.unwrap().as_str(), TRANSACTION);
        assert_eq!(heard.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_result_that_contradicts_itself_is_no_good_news() {
        let app = crate::updater_client::testing::app();
        let status = |change: &dyn Fn(&mut Value)| {
            let (progress, mut transaction) = (record_progress().0, None);
            let mut stream = OrderStream::new(&progress, &mut transaction).of_app(Some(&app));
            let mut result = result("updated");
            change(&mut result);
            let answer = stream.read_line(result.to_string().as_bytes()).unwrap().unwrap();
            answer.code.map_or_else(|| "good".to_owned(), |code| code.to_string())
        };
        assert_eq!(status(&|_| {}), "good");
        for contradiction in [
            &|result: &mut Value| result["probe"] = Value::Null,
            &|result: &mut Value| result["probe"]["passed"] = json!(false),
            &|result: &mut Value| result["code"] = json!("rolled_back"),
            &|result: &mut Value| result["problem"] = json!({"detail": "it died"}),
            &|result: &mut Value| result["app"] = json!("another"),
        ] as [&dyn Fn(&mut Value); 5]
        {
            assert_eq!(status(contradiction), "bad_answer");
        }
    }

    #[test]
    fn phases_without_end_are_not_handed_on_without_end() {
        let (progress, heard) = record_progress();
        let mut transaction = None;
        let mut stream = OrderStream::new(&progress, &mut transaction);
        let line = phase().to_string();
        let ended = (0..1000).find_map(|_| stream.read_line(line.as_bytes()).err());
        assert!(matches!(ended, Some(ClientError::Malformed(_))), "{ended:?}");
        assert_eq!(heard.lock().unwrap().len(), usize::try_from(MOST_PHASES).unwrap());
    }

    #[test]
    fn no_text_that_is_handed_on_is_longer_than_a_person_would_read() {
        let (progress, heard) = record_progress();
        let mut transaction = None;
        let mut line = phase();
        line["detail"] = json!("x".repeat(100_000));
        let mut stream = OrderStream::new(&progress, &mut transaction);
        stream.read_line(line.to_string().as_bytes()).unwrap();
        let heard = heard.lock().unwrap();
        let OrderProgress::Event(event) = &heard[0] else { panic!("{heard:?}") };
        let EventKind::Phase { detail, .. } = &event.kind else { panic!("{event:?}") };
        assert!(detail.as_ref().unwrap().chars().count() < 3000);
    }
}
