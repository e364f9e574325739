//! Limits of sizes and counts.

use super::reader::{Reader, number};

/// Limits of sizes and counts.
#[derive(Clone, Debug)]
pub struct Limits {
    /// `MAX_SOCKETS_PER_USER`
    pub sockets_per_user: usize,
    /// `MESSAGE_MAX_LENGTH`, in characters
    pub message_length: usize,
    /// `MAX_GROUP_MEMBERS`
    pub group_members: usize,
    /// `MAX_GROUPS_PER_USER`
    pub groups_per_user: i64,
    /// `AVATAR_MAX_BYTES`
    pub avatar_bytes: usize,
    /// `ATTACHMENT_MAX_BYTES`
    pub attachment_bytes: usize,
    /// `ATTACHMENT_QUOTA_BYTES`
    pub attachment_quota: i64,
}

impl Limits {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self {
            sockets_per_user: from.get(
                "MAX_SOCKETS_PER_USER",
                "20",
                "Maximum WebSockets of a user, on all nodes together. Another one is closed with 4003.",
                |value| number(value, 1, 10_000),
            ),
            message_length: from.get(
                "MESSAGE_MAX_LENGTH",
                "10000",
                "Maximum length of a message, in characters.",
                // A text of this length fits into a body of 128 KiB, however it is escaped.
                |value| number(value, 1, 20_000),
            ),
            group_members: from.get(
                "MAX_GROUP_MEMBERS",
                "10000",
                "Maximum members of a group.",
                |value| number(value, 2, 100_000),
            ),
            groups_per_user: from.get(
                "MAX_GROUPS_PER_USER",
                "1000",
                "Maximum existing groups that a user has created. Deleted ones do not count.",
                |value| number(value, 0, 1_000_000),
            ),
            avatar_bytes: from.get(
                "AVATAR_MAX_BYTES",
                "5242880",
                "Maximum size of an uploaded avatar, in bytes.",
                // A body that is a little larger is read to its end before it is refused.
                |value| number(value, 1_024, 31_457_280),
            ),
            attachment_bytes: from.get(
                "ATTACHMENT_MAX_BYTES",
                "26214400",
                "Maximum size of an attachment, in bytes. While it is received, it takes as much space\n\
                 in TMPDIR.",
                |value| number(value, 1_024, 1_099_511_627_776),
            ),
            attachment_quota: from.get(
                "ATTACHMENT_QUOTA_BYTES",
                "5368709120",
                "Maximum size of all attachments of a user, in bytes; those of deleted messages do not\n\
                 count.",
                |value| number(value, 0, 1_125_899_906_842_624),
            ),
        }
    }
}
