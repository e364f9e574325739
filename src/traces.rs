//! Spans for OpenTelemetry: requests, batches of the committers, statements, and what arrives over the bus. They are
//! `tracing` spans with a target of their own, so they cost nothing unless `telemetry` exports them. They have
//! names, ids and results, and nothing that users write.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::field::Empty;
use tracing::{Level, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The target of all spans here, and of nothing else.
pub const TARGET: &str = "meowsenger::traces";
/// The header that names the caller's span (W3C Trace Context), in HTTP and on the bus.
pub const HEADER: &str = "traceparent";

/// Whether spans are exported.
pub fn are_on() -> bool {
    tracing::enabled!(target: TARGET, Level::INFO)
}

/// The current span, to continue it in another task or thread.
pub fn current() -> Span {
    if are_on() { Span::current() } else { Span::none() }
}

/// A request, which may be a part of its caller's trace.
pub fn request(
    method: &str,
    route: Option<&str>,
    traceparent: Option<&str>,
    request_id: &str,
) -> Span {
    if !are_on() {
        return Span::none();
    }
    let span = info_span!(
        target: TARGET,
        "request",
        otel.name = route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}")),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        user.id = Empty,
        request_id,
    );
    continue_from(&span, traceparent);
    span
}

/// Records the answer to a request.
pub fn answered(span: &Span, status: u16, user: Option<i64>) {
    // Unsigned numbers would become texts.
    span.record("http.response.status_code", i64::from(status));
    if let Some(user) = user {
        span.record("user.id", user);
    }
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

/// A request of a socket.
pub fn frame(kind: &'static str, user: i64) -> Span {
    info_span!(
        target: TARGET,
        parent: None,
        "frame",
        otel.name = kind,
        otel.kind = "server",
        user.id = user
    )
}

/// A batch of a committer, with the requests that it serves as links.
pub fn batch<'a>(size: usize, origins: impl Iterator<Item = &'a TraceOrigin>) -> Span {
    if !are_on() {
        return Span::none();
    }
    let span = info_span!(target: TARGET, parent: None, "commit batch", batch.size = size as i64);
    origins.filter_map(|origin| origin.0.clone()).for_each(|context| span.add_link(context));
    span
}

/// A statement of what is in progress; without that, none: background tasks run thousands.
pub fn statement(name: impl FnOnce() -> &'static str, system: &'static str) -> Span {
    if !are_on() || Span::current().is_none() {
        return Span::none();
    }
    let name = name();
    info_span!(
        target: TARGET,
        "statement",
        otel.name = name,
        otel.kind = "client",
        db.system.name = system,
        db.query.summary = name
    )
}

/// The delivery of an event that another node published, in the trace that caused it there. Without one, none.
pub fn delivery(route: &'static str, traceparent: Option<&str>) -> Span {
    if !are_on() || traceparent.is_none() {
        return Span::none();
    }
    let span = info_span!(
        target: TARGET,
        parent: None,
        "deliver",
        otel.name = format!("deliver {route}"),
        otel.kind = "consumer"
    );
    continue_from(&span, traceparent);
    span
}

fn continue_from(span: &Span, traceparent: Option<&str>) {
    let Some(traceparent) = traceparent else { return };
    let carrier = HashMap::from([(HEADER.to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new().extract(&carrier);
    // One that cannot be parsed begins a trace of its own.
    if context.span().span_context().is_valid() {
        span.set_parent(context).ok();
    }
}

/// The span from which something was queued, for what happens to it later.
#[derive(Clone, Debug, Default)]
pub struct TraceOrigin(Option<SpanContext>);

impl TraceOrigin {
    /// The current span.
    pub fn current() -> Self {
        if !are_on() {
            return Self(None);
        }
        let context = Span::current().context().span().span_context().clone();
        Self(Some(context).filter(SpanContext::is_valid))
    }

    /// The value of [`HEADER`].
    pub fn traceparent(&self) -> Option<String> {
        let context = self.0.as_ref()?;
        let (trace, span, flags) =
            (context.trace_id(), context.span_id(), context.trace_flags().to_u8());
        Some(format!("00-{trace}-{span}-{flags:02x}"))
    }
}
