//! The query parameters of orders. Each route has those that mean something to it; others are
//! errors, since what a caller asks for is never dropped in silence.

use std::fmt;

use protocol::{AppName, OrderOptions, Period};
use serde::Deserialize;

use crate::api::ApiError;

/// Of `POST /update` and of `PUT /releases/{digest}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct UpdateQuery {
    pub(super) app: Option<AppName>,
    sha: Option<String>,
    force: Option<bool>,
    retry_quarantined: Option<bool>,
    confirm: Option<bool>,
    irreversible: Option<bool>,
    watch: Option<Period>,
}

/// Of `POST /rollback`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RollbackQuery {
    pub(super) app: Option<AppName>,
    force: Option<bool>,
    retry_quarantined: Option<bool>,
    confirm: Option<bool>,
    irreversible: Option<bool>,
    watch: Option<Period>,
}

/// Of `POST /update-self`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SelfUpdateQuery {
    pub(super) sha: Option<String>,
    pub(super) force: bool,
    pub(super) retry_quarantined: bool,
    pub(super) confirm_self: bool,
}

/// Of what takes none but its app.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AppQuery {
    pub(super) app: Option<AppName>,
}

/// Of what takes none.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct NoQuery {}

/// What an order is asked to be: of each option, yes, no, or nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    force: Option<bool>,
    retry_quarantined: Option<bool>,
    confirm: Option<bool>,
    irreversible: Option<bool>,
    watch: Option<Period>,
}

impl UpdateQuery {
    /// The label, and how the order is to be carried out.
    pub(super) fn split(self) -> (Option<String>, OrderOptions) {
        let (label, asked) = self.asked();
        (label, asked.options())
    }

    /// Beside a JSON body, which has options of its own.
    pub(super) fn merged(self, body: &Asked) -> Result<OrderOptions, ApiError> {
        let (label, asked) = self.asked();
        if label.is_some() {
            let detail = "sha is the label of an archive, and none comes with a JSON body";
            return Err(ApiError::bad_request(detail));
        }
        merge(body, &asked)
    }

    fn asked(self) -> (Option<String>, Asked) {
        let Self { sha, force, retry_quarantined, confirm, irreversible, watch, .. } = self;
        (sha, Asked { force, retry_quarantined, confirm, irreversible, watch })
    }
}

impl RollbackQuery {
    /// Beside a JSON body, which has options of its own.
    pub(super) fn merged(self, body: &Asked) -> Result<OrderOptions, ApiError> {
        let Self { force, retry_quarantined, confirm, irreversible, watch, .. } = self;
        merge(body, &Asked { force, retry_quarantined, confirm, irreversible, watch })
    }
}

impl Asked {
    fn options(&self) -> OrderOptions {
        OrderOptions {
            force: self.force.unwrap_or_default(),
            retry_quarantined: self.retry_quarantined.unwrap_or_default(),
            confirm: self.confirm.unwrap_or_default(),
            irreversible: self.irreversible.unwrap_or_default(),
            watch: self.watch,
        }
    }
}

/// What the body or the query asks for is asked for, unless the other one says something else.
fn merge(body: &Asked, query: &Asked) -> Result<OrderOptions, ApiError> {
    let merged = Asked {
        force: one_of("force", body.force, query.force)?,
        retry_quarantined: one_of(
            "retry_quarantined",
            body.retry_quarantined,
            query.retry_quarantined,
        )?,
        confirm: one_of("confirm", body.confirm, query.confirm)?,
        irreversible: one_of("irreversible", body.irreversible, query.irreversible)?,
        watch: one_of("watch", body.watch, query.watch)?,
    };
    Ok(merged.options())
}

fn one_of<T: PartialEq + fmt::Display>(
    name: &str,
    body: Option<T>,
    query: Option<T>,
) -> Result<Option<T>, ApiError> {
    match (body, query) {
        (Some(body), Some(query)) if body != query => {
            let detail = format!("the body says {name}={body}, and the query says {name}={query}");
            Err(ApiError::bad_request(detail))
        }
        (body, query) => Ok(body.or(query)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(text: &str) -> Asked {
        Asked { watch: Some(text.parse().unwrap()), ..Asked::default() }
    }

    #[test]
    fn the_body_and_the_query_add_up_and_must_not_contradict_each_other() {
        let query = UpdateQuery { confirm: Some(true), ..UpdateQuery::default() };
        let body = Asked { force: Some(true), ..watch("9s") };
        let merged = query.merged(&body).unwrap();
        let options = OrderOptions { force: true, confirm: true, ..watch("9s").options() };
        assert_eq!(merged, options);
        assert!(merge(&watch("9s"), &watch("9s")).is_ok());
        assert!(merge(&watch("9s"), &watch("8s")).is_err());
        let labelled = UpdateQuery { sha: Some("abc".to_owned()), ..UpdateQuery::default() };
        assert!(labelled.merged(&Asked::default()).is_err());
    }

    #[test]
    fn a_no_is_not_dropped_for_a_yes() {
        let force = |force| Asked { force, ..Asked::default() };
        for (body, query, merged) in [
            (Some(true), None, Some(true)),
            (None, Some(false), Some(false)),
            (Some(false), Some(false), Some(false)),
            (Some(true), Some(false), None),
            (Some(false), Some(true), None),
        ] {
            let found = merge(&force(body), &force(query)).ok().map(|options| options.force);
            assert_eq!(found, merged, "{body:?} {query:?}");
        }
    }
}
