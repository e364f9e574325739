//! Traces for OpenTelemetry. The names and formats are those of its specification.

use std::fmt;

use url::Url;

use crate::domain::network::is_local;
use crate::domain::text::quoted;

use super::reader::{Reader, list};

/// Settings of traces.
#[derive(Clone)]
pub struct TraceSettings {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`; `None`: no traces
    pub endpoint: Option<Url>,
    /// `OTEL_EXPORTER_OTLP_HEADERS`: names and values
    pub headers: Vec<(String, String)>,
    /// `OTEL_SERVICE_NAME`
    pub service: String,
    /// `OTEL_TRACES_SAMPLER_ARG`, from 0 to 1
    pub ratio: f64,
}

/// The headers may hold a token.
impl fmt::Debug for TraceSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = self.endpoint.as_ref().map(Url::as_str);
        f.debug_struct("TraceSettings").field("endpoint", &endpoint).finish_non_exhaustive()
    }
}

impl TraceSettings {
    /// Whether traces cross a network unencrypted.
    pub fn is_exposed(&self) -> bool {
        let http = self.endpoint.as_ref().filter(|url| url.scheme() == "http");
        http.and_then(Url::host_str).is_some_and(|host| !is_local(host))
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self {
            endpoint: from.get(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "",
                "The OpenTelemetry collector that gets traces, by OTLP over HTTP with JSON, such as\n\
                 http://127.0.0.1:4318. Empty: no traces.",
                endpoint,
            ),
            headers: from.secret(
                "OTEL_EXPORTER_OTLP_HEADERS",
                "",
                "Headers for the collector, such as authorization=Bearer%20TOKEN; comma-separated, with\n\
                 %-encoded values.",
                |value| list(value, header),
            ),
            service: from.get(
                "OTEL_SERVICE_NAME",
                "meowsenger",
                "The name of the service in traces.",
                |value| Ok(value.to_owned()),
            ),
            ratio: from.get(
                "OTEL_TRACES_SAMPLER_ARG",
                "1",
                "The share of the requests that are traced, from 0 to 1, unless the caller has decided\n\
                 (traceparent).",
                ratio,
            ),
        }
    }
}

/// The URL of the collector's traces.
fn endpoint(value: &str) -> Result<Option<Url>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    let parsed = Url::parse(&format!("{}/v1/traces", value.trim_end_matches('/')));
    let is_plain = |url: &Url| url.username().is_empty() && url.password().is_none();
    match parsed.ok().filter(|url| matches!(url.scheme(), "http" | "https") && is_plain(url)) {
        Some(url) => Ok(Some(url)),
        None => Err("must be a URL such as http://127.0.0.1:4318, without a password".to_owned()),
    }
}

/// The value may be a secret, so the error does not quote it.
fn header(value: &str) -> Result<(String, String), String> {
    let pair = value.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
    match pair.filter(|(name, _)| !name.is_empty()) {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err("must be headers such as authorization=Bearer%20TOKEN".to_owned()),
    }
}

fn ratio(value: &str) -> Result<f64, String> {
    let parsed = value.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    parsed.ok_or_else(|| format!("must be a number from 0 to 1, not {}", quoted(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_named_by_its_base() {
        let url = |text| endpoint(text).map(|url| url.map(|url| url.to_string()));
        let traces = Ok(Some("http://127.0.0.1:4318/v1/traces".to_owned()));
        assert_eq!(url("http://127.0.0.1:4318"), traces);
        assert_eq!(url("http://127.0.0.1:4318/"), traces);
        assert_eq!(url(""), Ok(None));
        for bad in ["127.0.0.1:4318", "grpc://x", "http://tom:hunter2@x"] {
            assert!(url(bad).is_err_and(|error| !error.contains("hunter2")), "{bad}");
        }
        assert!(header("hunter2").is_err_and(|error| !error.contains("hunter2")));
        assert!(ratio("1.5").is_err() && ratio("NaN").is_err() && ratio("0.1").is_ok());
    }
}
