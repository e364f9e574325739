//! Sends spans to an OpenTelemetry collector, from a thread of its own and a bounded queue: a collector that is slow
//! or down delays nothing, and spans are dropped. Knows no span of ours.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::KeyValue;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tokio::runtime::Handle;

use crate::config::TraceSettings;

/// Timeout of one request to the collector.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Begins to send spans to the collector that the settings name.
pub(super) fn provider(settings: &TraceSettings) -> io::Result<Option<SdkTracerProvider>> {
    let Some(endpoint) = &settings.endpoint else { return Ok(None) };
    let headers: HashMap<_, _> = settings.headers.iter().cloned().collect();
    let http = reqwest::Client::builder().timeout(TIMEOUT).build().map_err(io::Error::other)?;
    let client =
        CollectorClient { http, runtime: Handle::current(), has_failed: AtomicBool::new(false) };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpJson)
        .with_endpoint(endpoint.as_str())
        .with_timeout(TIMEOUT)
        .with_headers(headers)
        .with_http_client(client)
        .build()
        .map_err(io::Error::other)?;
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let resource = Resource::builder_empty()
        .with_service_name(settings.service.clone())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("host.name", host.trim().to_owned()))
        .with_attribute(KeyValue::new("process.pid", i64::from(std::process::id())))
        .build();
    let ratio = Sampler::TraceIdRatioBased(settings.ratio);
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(ratio)))
        .with_resource(resource)
        .build();
    Ok(Some(provider))
}

/// Sends requests on the server's runtime: the exporter's thread has none.
#[derive(Debug)]
struct CollectorClient {
    http: reqwest::Client,
    runtime: Handle,
    /// Whether the last request failed.
    has_failed: AtomicBool,
}

#[async_trait]
impl HttpClient for CollectorClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let http = self.http.clone();
        let sent = self.runtime.spawn(async move {
            let answer = http.execute(request).await?.error_for_status()?;
            let status = answer.status();
            Ok::<_, reqwest::Error>((status, answer.bytes().await?))
        });
        let sent = sent.await?;
        self.report(sent.as_ref().err());
        let (status, body) = sent.map_err(reqwest::Error::without_url)?;
        Ok(Response::builder().status(status.as_u16()).body(body)?)
    }
}

impl CollectorClient {
    /// Logs a failure once, until a request succeeds.
    fn report(&self, error: Option<&reqwest::Error>) {
        let had_failed = self.has_failed.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !had_failed => {
                tracing::warn!(%error, "cannot send traces to the collector; they are dropped until it answers");
            }
            None if had_failed => tracing::info!("the collector gets traces again"),
            _ => {}
        }
    }
}
