//! `createsuperuser [--noinput]`: creates an account with all permissions.

use serde_json::{Map, Value};

use crate::actions::accounts;
use crate::config::{ServerSettings, Variables, environment, secret};
use crate::wire::accounts::Register;
use crate::wire::fields::Fields;

use super::context::{Result, describe, node, say};
use super::prompt;

/// The arguments of `createsuperuser`.
#[derive(Debug, clap::Args)]
pub(super) struct CreatesuperuserArguments {
    /// Do not prompt: read DJANGO_SUPERUSER_USERNAME, _EMAIL and _PASSWORD from the environment;
    /// MEOWSENGER_ may replace DJANGO_
    #[arg(long, visible_alias = "no-input")]
    noinput: bool,
    /// The username, instead of a prompt
    #[arg(long)]
    username: Option<String>,
    /// The e-mail address, instead of a prompt; may be empty
    #[arg(long)]
    email: Option<String>,
}

pub(super) async fn run(arguments: &CreatesuperuserArguments) -> Result {
    let (app, _log) = node().await?;
    let variables = environment()?;
    let given = |name: &str| given(&variables, name);
    let (username, email, password) = if arguments.noinput {
        let username =
            arguments.username.clone().map_or_else(|| given("USERNAME"), |name| Ok(Some(name)))?;
        let email =
            arguments.email.clone().map_or_else(|| given("EMAIL"), |email| Ok(Some(email)))?;
        (
            username.ok_or("--noinput needs DJANGO_SUPERUSER_USERNAME or --username")?,
            email.unwrap_or_default(),
            given("PASSWORD")?.ok_or("--noinput needs DJANGO_SUPERUSER_PASSWORD")?,
        )
    } else {
        let ask = |given: &Option<String>, question: &str| match given {
            Some(value) => Ok(value.clone()),
            None => prompt::line(question),
        };
        (
            ask(&arguments.username, "Username: ")?,
            ask(&arguments.email, "Email address: ")?,
            prompt::new_password()?,
        )
    };

    let values = [("username", username), ("email", email), ("password", password)];
    let body: Map<_, _> =
        values.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect();
    let registration = Register::parse(Fields::of(body));
    accounts::create_superuser(&app, registration).await.map_err(describe)?;
    say("Superuser created successfully.");
    say(&format!("Log in to the admin site at {}/admin/", origin(&app.server)));
    Ok(())
}

/// Where browsers reach the server: `PUBLIC_URL`, or the port that it listens on.
fn origin(server: &ServerSettings) -> String {
    match &server.public_url {
        Some(url) => url.clone(),
        None => format!("http://localhost:{}", server.bind.port),
    }
}

/// A variable, under Django's name or ours, or the content of the file that it names with `_FILE`.
fn given(variables: &Variables, name: &str) -> Result<Option<String>, String> {
    match secret(variables, &format!("DJANGO_SUPERUSER_{name}"))? {
        None => secret(variables, &format!("MEOWSENGER_SUPERUSER_{name}")),
        found => Ok(found),
    }
}
