//! `PUT /releases/{digest}`, `POST /update`, `POST /rollback`, `POST /confirm/{transaction}`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use protocol::{
    Code, Digest, Kind, OrderOptions, Problem, ReleaseSlot, RollbackOrder, Status, TransactionId,
    TransactionResult, UpdateOrder, header,
};
use serde::Deserialize;

use crate::api::announced::{Announced, Form, announced_digest, length, presented};
use crate::api::blocking::blocking;
use crate::api::body_deadline::BodyDeadline;
use crate::api::follow::Follow;
use crate::api::headers::{number, only};
use crate::api::label::label;
use crate::api::operator::operator;
use crate::api::order_query::{
    AppQuery, Asked, NoQuery, RollbackQuery, SelfUpdateQuery, UpdateQuery,
};
use crate::api::parts::{Parts, Sent};
use crate::api::upload::Upload;
use crate::api::{ApiError, ApiQuery, older_form};
use crate::config::LimitsConfig;
use crate::daemon::Daemon;
use crate::server::Caller;
use crate::transaction::{Admission, App, Declared, Failure, Order, Target};

/// Bytes of a JSON body.
const JSON_BYTES: usize = 64 << 10;

/// Characters of a caller's name for its order.
const KEY_CHARACTERS: usize = 400;

/// An order that has been understood, before it meets its app.
struct Head {
    caller: Caller,
    headers: HeaderMap,
    kind: Kind,
    options: OrderOptions,
}

/// `PUT /releases/{digest}`: puts a release on the disk.
pub(super) async fn stage(
    State(daemon): State<Arc<Daemon>>,
    Path(digest): Path<String>,
    ApiQuery(query): ApiQuery<UpdateQuery>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let app = daemon.app(query.app.as_ref())?;
    let (sha, options) = query.split();
    check_watch(&daemon, &options)?;
    check_order(&daemon, request.headers()).await?;
    let digest: Digest =
        digest.parse().map_err(|error| ApiError::bad_request(format!("failed to {error}")))?;
    let looked_at = Arc::clone(&app);
    if let Some(result) = blocking(move || Ok(ready(&looked_at, digest)?)).await? {
        return Ok((StatusCode::OK, axum::Json(result)).into_response());
    }
    let (parts, body) = request.into_parts();
    if announced_digest(&parts.headers)?.is_some_and(|announced| announced != digest) {
        return Err(ApiError::bad_request("the Content-Digest is not the one in the path"));
    }
    let head = Head { caller, headers: parts.headers, kind: Kind::Stage, options };
    let announced = announced(&head.headers, Some(digest), sha, false)?;
    receive(&daemon, app, head, body, announced).await
}

/// `POST /update`: activates a staged release (JSON), or takes one and activates it.
pub(super) async fn update(
    State(daemon): State<Arc<Daemon>>,
    ApiQuery(query): ApiQuery<UpdateQuery>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let app = daemon.app(query.app.as_ref())?;
    let (parts, body) = request.into_parts();
    match Form::of(&parts.headers)? {
        Form::Json => {
            let (order, asked) = json::<UpdateOrder>(body, &daemon.config.limits).await?;
            let options = query.merged(&asked)?;
            let head = Head { caller, headers: parts.headers, kind: Kind::Update, options };
            activate(&daemon, app, head, Target::Digest(order.digest), false).await
        }
        form => {
            let digest = announced_digest(&parts.headers)?;
            if digest.is_none() && form == Form::Archive {
                let detail = "send the archive's digest as Content-Digest: sha-256=:<base64>:";
                return Err(Problem::new(Code::DigestMissing, detail).into());
            }
            let (sha, options) = query.split();
            let head = Head { caller, headers: parts.headers, kind: Kind::Update, options };
            let announced = announced(&head.headers, digest, sha, false)?;
            receive(&daemon, app, head, body, announced).await
        }
    }
}

/// `POST /update-self`: takes a release of the updater itself.
pub(super) async fn update_self(
    State(daemon): State<Arc<Daemon>>,
    ApiQuery(query): ApiQuery<SelfUpdateQuery>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let form = Form::of(&parts.headers)?;
    let digest = announced_digest(&parts.headers)?;
    if form == Form::Json || (form == Form::Archive && digest.is_none()) {
        let detail = "send the updater's archive, and its digest as Content-Digest";
        return Err(Problem::new(Code::DigestMissing, detail).into());
    }
    if form == Form::Archive {
        check_meant(query.confirm_self)?;
    }
    daemon.check_idle()?;
    let SelfUpdateQuery { sha, force, retry_quarantined, confirm_self } = query;
    let options = OrderOptions { force, retry_quarantined, ..OrderOptions::default() };
    let head = Head { caller, headers: parts.headers, kind: Kind::SelfUpdate, options };
    let announced = announced(&head.headers, digest, sha, confirm_self)?;
    receive(&daemon, Arc::clone(&daemon.updater_app), head, body, announced).await
}

/// `POST /rollback`: to `prev`, or to a release that is on the disk.
pub(super) async fn rollback(
    State(daemon): State<Arc<Daemon>>,
    ApiQuery(query): ApiQuery<RollbackQuery>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let app = daemon.app(query.app.as_ref())?;
    let (parts, body) = request.into_parts();
    let hurried = older_form::is_asked_for(&parts.method, &parts.uri, &parts.headers);
    let (order, asked) = match Form::of(&parts.headers)? {
        // Clients of the older form have nothing to say in it.
        Form::Multipart => Default::default(),
        Form::Json => json::<RollbackOrder>(body, &daemon.config.limits).await?,
        Form::Archive => {
            let detail = "a rollback takes no archive, but a JSON body or none";
            return Err(ApiError::bad_request(detail));
        }
    };
    let target = order.digest.map_or(Target::Previous, Target::Digest);
    let options = query.merged(&asked)?;
    let head = Head { caller, headers: parts.headers, kind: Kind::Rollback, options };
    let follow = Follow::new(&head.headers, false, daemon.events.last());
    let (looked_at, caller) = (Arc::clone(&app), head.caller.kind());
    let by = operator(&head.caller, &head.headers);
    check_order(&daemon, &head.headers).await?;
    let (taken, target) =
        blocking(move || Ok((looked_at.take_back(&target, caller, by), target))).await?;
    match taken {
        Some(taken) if taken.back_there => Ok(follow.taken_back(&app, taken.transaction).await),
        // What is ordered is another one than the release before: that is gone to from there.
        Some(taken) => {
            follow.end_of(&app, taken.transaction).await;
            activate(&daemon, app, head, target, hurried).await
        }
        None => activate(&daemon, app, head, target, hurried).await,
    }
}

/// `POST /confirm/{transaction}`: the master has come back on a new connection.
pub(super) async fn confirm(
    State(daemon): State<Arc<Daemon>>,
    Path(transaction): Path<String>,
    ApiQuery(NoQuery {}): ApiQuery<NoQuery>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    check_order(&daemon, &headers).await?;
    let transaction: TransactionId =
        transaction.parse().map_err(|error| ApiError::bad_request(format!("failed to {error}")))?;
    let after = daemon.events.last();
    for app in daemon.apps.values() {
        match app.confirm(&transaction, caller.connection) {
            Some(true) => {
                let follow = Follow::new(&headers, false, after);
                return Ok(follow.transaction(app, transaction).await);
            }
            Some(false) => {
                let detail = "a confirmation has to come on another connection than its order";
                return Err(ApiError::bad_request(detail));
            }
            None => {}
        }
    }
    let detail = format!("{transaction} does not wait for a confirmation");
    Err(Problem::new(Code::UnknownTransaction, detail).into())
}

/// `DELETE /update`: asks what is under way to stop, and answers with how it ended.
pub(super) async fn stop(
    State(daemon): State<Arc<Daemon>>,
    ApiQuery(query): ApiQuery<AppQuery>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let app = daemon.app(query.app.as_ref())?;
    check_order(&daemon, &headers).await?;
    let follow = Follow::new(&headers, false, daemon.events.last());
    let Some(transaction) = app.request_stop(caller.kind()) else {
        let detail = format!("nothing is under way for {}", app.settings.name);
        return Err(Problem::new(Code::UnknownTransaction, detail).into());
    };
    Ok(follow.stopped(&app, transaction).await)
}

/// Takes an archive, unless the release is here already.
async fn receive(
    daemon: &Arc<Daemon>,
    app: Arc<App>,
    head: Head,
    body: Body,
    mut announced: Announced,
) -> Result<Response, ApiError> {
    let deadline = BodyDeadline::begin(&app.settings.limits);
    let sent = match Form::of(&head.headers).unwrap_or(Form::Archive) {
        Form::Multipart => {
            let parts = Parts::open(&head.headers, body, &mut announced, deadline).await?;
            Sent::Form(Box::new(parts))
        }
        Form::Json | Form::Archive => Sent::Alone(body),
    };
    if head.kind == Kind::SelfUpdate {
        check_meant(announced.confirm_self)?;
    }
    let length = length(&head.headers);
    let (upload, archive) = Upload::new(announced, length, sent.is_alone(), deadline);
    let follow = Follow::new(&head.headers, true, daemon.events.last());
    match begin(daemon, &app, head, Target::Archive(archive)).await? {
        Admission::AlreadyCurrent(result) => Ok(follow.result(&app, *result)),
        Admission::Started { transaction, receives } => {
            if receives {
                upload.send(sent).await;
            }
            Ok(follow.transaction(&app, transaction).await)
        }
    }
}

async fn activate(
    daemon: &Arc<Daemon>,
    app: Arc<App>,
    head: Head,
    target: Target,
    hurried: bool,
) -> Result<Response, ApiError> {
    let follow = Follow::new(&head.headers, true, daemon.events.last());
    let follow = Follow { hurried, ..follow };
    match begin(daemon, &app, head, target).await? {
        Admission::AlreadyCurrent(result) => Ok(follow.result(&app, *result)),
        Admission::Started { transaction, .. } => Ok(follow.transaction(&app, transaction).await),
    }
}

async fn begin(
    daemon: &Arc<Daemon>,
    app: &Arc<App>,
    head: Head,
    target: Target,
) -> Result<Admission, ApiError> {
    check_watch(daemon, &head.options)?;
    let key = order_key(&head.headers)?;
    let epoch = check_order(daemon, &head.headers).await?;
    let order = Order {
        kind: head.kind,
        target,
        options: head.options,
        caller: head.caller.kind(),
        by: operator(&head.caller, &head.headers),
        connection: head.caller.connection,
        epoch,
        order: key,
    };
    let app = Arc::clone(app);
    blocking(move || Ok(app.begin(order)?)).await
}

/// A watch that is too long is told also where none comes of the order.
fn check_watch(daemon: &Daemon, options: &OrderOptions) -> Result<(), ApiError> {
    let longest = daemon.config.limits.longest_watch;
    let Some(watch) = options.watch.filter(|watch| *watch > longest) else { return Ok(()) };
    let detail = format!("a watch of {watch} is longer than limits.longest_watch, {longest}");
    Err(ApiError::bad_request(detail))
}

fn check_meant(confirm_self: bool) -> Result<(), ApiError> {
    if confirm_self {
        return Ok(());
    }
    Err(ApiError::bad_request("say confirm_self=true: this replaces the updater itself"))
}

/// The caller's name for its order. A part of it would not be found again.
fn order_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let key = only(headers, header::IDEMPOTENCY_KEY)?;
    if key.is_some_and(|key| key.len() > KEY_CHARACTERS) {
        let detail = format!("the Idempotency-Key has over {KEY_CHARACTERS} characters");
        return Err(ApiError::bad_request(detail));
    }
    Ok(key.map(str::to_owned))
}

/// What is known of an archive before its body.
fn announced(
    headers: &HeaderMap,
    digest: Option<Digest>,
    sha: Option<String>,
    confirm_self: bool,
) -> Result<Announced, ApiError> {
    let label = sha.map(label).transpose()?.flatten();
    Ok(Announced {
        declared: Declared { digest, label },
        presented: presented(headers)?,
        confirm_self,
    })
}

/// Whether orders are taken, and from this master. The epoch is kept on the disk, so this blocks.
pub(super) async fn check_order(
    daemon: &Arc<Daemon>,
    headers: &HeaderMap,
) -> Result<Option<u64>, ApiError> {
    let epoch = number(headers, header::EPOCH)?;
    let daemon = Arc::clone(daemon);
    blocking(move || Ok(daemon.check_order(epoch).map(|()| epoch)?)).await
}

/// What the body orders, and what it says of each option. An empty body is an empty object.
async fn json<T: for<'de> Deserialize<'de>>(
    body: Body,
    limits: &LimitsConfig,
) -> Result<(T, Asked), ApiError> {
    // There is so little of it that silence is all that can go on for long.
    let read = tokio::time::timeout(limits.body_timeout.0, axum::body::to_bytes(body, JSON_BYTES));
    let Ok(read) = read.await else {
        return Err(ApiError::bad_request("the sender fell silent"));
    };
    let bytes =
        read.map_err(|error| ApiError::bad_request(format!("the body cannot be read: {error}")))?;
    let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
    let wrong = |error| ApiError::bad_request(format!("the JSON body: {error}"));
    let order = serde_json::from_slice(text).map_err(wrong)?;
    Ok((order, serde_json::from_slice(text).map_err(wrong)?))
}

/// The answer for a release that is on the disk already.
fn ready(app: &App, digest: Digest) -> Result<Option<TransactionResult>, Problem> {
    let ready = app.settings.is_ready(&digest).map_err(Failure::from).map_err(Problem::from)?;
    if !ready || app.settings.said_damage(&digest).is_some() {
        return Ok(None);
    }
    Ok(Some(TransactionResult {
        status: Status::Staged,
        code: None,
        transaction: None,
        release: Some(app.settings.slot_release(ReleaseSlot::Store, &digest)),
        from: None,
        to: None,
        target: Some(digest),
        probe: None,
        duration_ms: 0,
        problem: None,
        notes: Vec::new(),
    }))
}
