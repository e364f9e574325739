//! Exceptions from the checks, to be removed. Each list is exact: a check also fails if an entry is no
//! longer needed, so the lists only get shorter.

/// Cycles of files that name each other.
pub(crate) const CYCLES: &[&[&str]] = &[
    &[
        "src/cli/changepassword.rs",
        "src/cli/check.rs",
        "src/cli/createsuperuser.rs",
        "src/cli/epoch.rs",
        "src/cli/makemigrations.rs",
        "src/cli/migrate.rs",
        "src/cli/mod.rs",
        "src/cli/openapi.rs",
        "src/cli/prompt.rs",
        "src/cli/runserver.rs",
        "src/cli/showmigrations.rs",
    ],
    &[
        "src/config/bus.rs",
        "src/config/database.rs",
        "src/config/limits.rs",
        "src/config/logging.rs",
        "src/config/mail.rs",
        "src/config/media.rs",
        "src/config/mod.rs",
        "src/config/reader.rs",
        "src/config/server.rs",
        "src/config/throttles.rs",
        "src/config/tokens.rs",
    ],
    &["src/media/decode.rs", "src/media/jpeg.rs", "src/media/rows.rs", "src/media/webp.rs"],
];

/// Names that several public types have. `Arguments` are those of each subcommand, and `Result` is
/// each module's own alias.
#[rustfmt::skip] // one a line
pub(crate) const SHARED_NAMES: &[&str] = &[
    "Arguments",
    "Change",
    "Connection",
    "Error",
    "Faults",
    "Limits",
    "Mail",
    "Media",
    "Place",
    "Result",
    "Throttles",
];

/// Files with banned words (`words::BANNED`), in their texts or headers.
pub(crate) const QUAINT_FILES: &[&str] = &[
    // Others.
    ".env.example",
    "tests/store/account_version.rs",
    // REST, the bodies, and their documents.
    "docs/api/auth.md",
    "docs/api/chats.md",
    "docs/api/members.md",
    "docs/api/messages.md",
    "docs/api/sync.md",
    "docs/api/users.md",
    // The rest of src.
    "src/actions/account_version.rs",
    "src/actions/attempts.rs",
    "src/actions/avatars.rs",
    "src/actions/catchup.rs",
    "src/actions/connect.rs",
    "src/actions/presence.rs",
    "src/actions/sessions.rs",
    "src/auth/secrets.rs",
    "src/auth/throttles.rs",
    "src/cli/check.rs",
    "src/cli/mod.rs",
    "src/cli/prompt.rs",
    "src/config/bus.rs",
    "src/config/logging.rs",
    "src/config/mail.rs",
    "src/config/media.rs",
    "src/config/mod.rs",
    "src/config/reader.rs",
    "src/domain/chat.rs",
    "src/domain/error.rs",
    "src/domain/event.rs",
    "src/domain/message.rs",
    "src/domain/rate.rs",
    "src/domain/receipt.rs",
    "src/domain/search.rs",
    "src/domain/search/query.rs",
    "src/domain/search/tests.rs",
    "src/domain/user.rs",
    "src/media/decode.rs",
    "src/media/jpeg.rs",
    "src/store/marks.rs",
    "src/store/search.rs",
];
