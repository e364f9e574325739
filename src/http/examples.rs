//! Examples of bodies for the OpenAPI document, one for each schema, from one small world in which Whiskers
//! writes to Tom. A handler's description has the examples that this page cannot know. A test validates each
//! against its schema.

use serde_json::{Value, json};

/// The example of a schema. `None` for what is no body, and no part of one that is worth showing.
pub(super) fn of(schema: &str) -> Option<Value> {
    Some(match schema {
        "Register" => json!({
            "username": "whiskers", "password": "nine-lives-2026", "email": "whiskers@example.org",
        }),
        "Login" => json!({"username": "whiskers", "password": "nine-lives-2026"}),
        "Refresh" => json!({"refresh": TOKEN}),
        "Verify" => json!({"token": TOKEN}),
        "ChangePassword" => {
            json!({"old_password": "nine-lives-2026", "new_password": "ten-lives-2027"})
        }
        "RequestReset" => json!({"email": "whiskers@example.org"}),
        "ConfirmReset" => {
            json!({"uid": "Nw", "token": "d3x9k2-4f1c", "new_password": "ten-lives-2027"})
        }
        "EndAccount" => json!({"password": "nine-lives-2026"}),
        "UpdateUser" | "UpdateUserForm" => {
            json!({"username": "whiskers", "first_name": "Ada", "availability": "busy"})
        }
        "ReplaceAvatar" => json!({"avatar": "(the bytes of the file)"}),
        "UploadAttachment" => json!({"file": "(the bytes of the file)"}),
        "RequestLinks" => json!({"attachments": [7]}),
        "PatchUser" | "PatchUserForm" => json!({"status_text": "Asleep"}),
        "CreateChat" => json!({"type": "group", "name": "Kitchen", "members": [8]}),
        "UpdateChat" | "UpdateChatForm" => {
            json!({"name": "Kitchen", "description": "Where the food is"})
        }
        "PatchChat" | "PatchChatForm" => json!({"description": "Where the food is"}),
        "UpdateChatSettings" | "PatchChatSettings" => {
            json!({"muted_until": "forever", "archived": true})
        }
        "CreateInvite" => json!({"expires_in": 86_400, "max_uses": 5}),
        "CreateReport" => json!({"message": 12, "reason": "spam", "text": "Third time today"}),
        "UpdateReport" => json!({"status": "resolved", "note": "Deleted the message"}),
        "AddMembers" => json!({"users": [8, 9]}),
        "ChangeRole" | "PatchRole" => json!({"role": "admin"}),
        "SendMessage" => json!({"content": "Meow!", "client_id": "b0f7c2a4"}),
        "EditMessage" | "PatchMessage" => json!({"content": "Purr."}),
        "ForwardMessage" => json!({"chats": [3, 4], "client_id": "b0f7c2a4"}),
        "ReadMessages" => json!({"seq": 1}),
        "Sync" => json!({"versions": {"3": 1}, "epoch": EPOCH, "account": 12}),

        "NewSession" => json!({"user": own_user(), "access": TOKEN, "refresh": TOKEN}),
        "TokenPair" => json!({"access": TOKEN, "refresh": TOKEN}),
        "Ticket" => json!({"ticket": "q2Zr0y8mKxw", "expires_in": 30}),
        "SessionPage" => page(session()),
        "User" => user(),
        "UserPage" => page(user()),
        "Chat" => {
            let mut chat = chat();
            chat["members"] = json!([member()]);
            chat
        }
        "ChatPage" => page(chat()),
        "Invite" => invite(),
        "InvitePage" => page(invite()),
        "InvitePreview" => json!({
            "chat": {"name": "Kitchen", "description": "", "avatar": null, "members_count": 3},
            "created_by": user_ref(), "expires_at": TIME,
        }),
        "Report" => report(),
        "ReportPage" => page(report()),
        "UserRefPage" => page(user_ref()),
        "Unread" => json!({"messages": 4, "chats": 2, "mentions": 1}),
        "ChatSettings" => json!({"muted_until": TIME, "pinned": false, "archived": true}),
        "Member" => member(),
        "MemberPage" => page(member()),
        "AddedMembers" => json!({"results": [member()]}),
        "Message" => message(),
        "MessagePage" => page(message()),
        "ForwardedMessages" => json!({"results": [message()]}),
        "Attachment" => attachment(),
        "AttachmentLinks" => json!({"results": [{
            "id": 7, "url": "https://chat.example.org/api/attachments/7/?signature=q2Zr0y8mKxw",
            "thumbnail_url": "https://chat.example.org/api/attachments/7/thumbnail/?signature=Xb81mT0cQ2s",
            "expires_at": TIME,
        }]}),
        "FoundMessagePage" => page(json!({"message": message(), "highlights": [[0, 4]]})),
        "ReactionPage" => page(reaction()),
        "ReadMarker" => json!({"last_read_seq": 1, "unread_count": 0}),
        "Receipts" => json!({
            "read": [user_ref()], "delivered": [], "read_count": 1, "delivered_count": 0,
        }),
        "SyncResult" => json!({
            "epoch": EPOCH, "changes": [change()], "gone": [], "more": false,
            "account": account_sync(),
        }),
        "Verified" => json!({}),
        "Document" => json!({"openapi": "3.1.0"}),
        "Home" => json!({
            "name": "Meowsenger", "version": "0.1.0",
            "links": {
                "docs": "https://chat.example.org/api/docs/",
                "schema": "https://chat.example.org/api/schema/",
                "socket_schema": "https://chat.example.org/api/schema/socket/",
                "socket": "wss://chat.example.org/ws/",
            },
        }),
        "Health" => json!({"status": "ok"}),
        "NotReady" => {
            json!({"detail": "Service temporarily unavailable, try again later.", "reason": "draining"})
        }
        _ => return None,
    })
}

/// What is wrong with such a body, if its fields are.
pub(super) fn of_refused(body: &str) -> Value {
    const REQUIRED: &str = "This field is required.";
    match body {
        "Register" | "UpdateUser" | "PatchUser" | "UpdateUserForm" | "PatchUserForm" => {
            json!({"username": ["A user with that username already exists."]})
        }
        "Login" | "EndAccount" => json!({"password": [REQUIRED]}),
        "Refresh" => json!({"refresh": [REQUIRED]}),
        "Verify" => json!({"token": [REQUIRED]}),
        "ChangePassword" => json!({"new_password": ["This password is entirely numeric."]}),
        "RequestReset" => json!({"email": ["Enter a valid email address."]}),
        "ConfirmReset" => json!({"token": ["Invalid or expired token."]}),
        "CreateChat" => json!({"members": ["Invalid pk \"9\" - object does not exist."]}),
        "UpdateChat" | "PatchChat" | "UpdateChatForm" | "PatchChatForm" => {
            json!({"name": ["This field may not be blank."]})
        }
        "UpdateChatSettings" | "PatchChatSettings" => {
            json!({"pinned": ["Must be a valid boolean."]})
        }
        "CreateInvite" => {
            json!({"max_uses": ["Ensure this value is greater than or equal to 1."]})
        }
        "CreateReport" => json!({"message": ["Invalid pk \"9\" - object does not exist."]}),
        "UpdateReport" => json!({"status": ["\"done\" is not a valid choice."]}),
        "AddMembers" => json!({"users": ["This list may not be empty."]}),
        "ChangeRole" | "PatchRole" => json!({"role": ["\"chief\" is not a valid choice."]}),
        "SendMessage" | "EditMessage" | "PatchMessage" => {
            json!({"content": ["This field may not be blank."]})
        }
        "ForwardMessage" => json!({"chats": ["Invalid pk \"9\" - object does not exist."]}),
        "ReadMessages" => json!({"seq": ["A valid integer is required."]}),
        "Sync" => json!({"versions": [REQUIRED]}),
        "ReplaceAvatar" => json!({"avatar": ["No file was submitted."]}),
        "UploadAttachment" => json!({"file": ["The submitted file is empty."]}),
        "RequestLinks" => json!({"attachments": [REQUIRED]}),
        _ => json!({"non_field_errors": ["Invalid data."]}),
    }
}

/// What an error of this status says where it has one text.
pub(super) fn of_status(status: &str) -> Option<Value> {
    let text = match status {
        "400" => "JSON parse error - expected value at line 1 column 1",
        "401" => "Authentication credentials were not provided.",
        "403" => "You do not have permission to perform this action.",
        "404" => "Not found.",
        "409" => "A deleted message cannot be edited.",
        "413" => "The body is larger than 128 KiB.",
        "415" => "Unsupported media type \"text/plain\" in request.",
        "426" => "This path speaks WebSocket.",
        "429" => "Request was throttled. Expected available in 3 seconds.",
        "500" => {
            let id = "0123456789abcdef0123456789abcdef";
            return Some(json!({"detail": "A server error occurred.", "request_id": id}));
        }
        "503" => "Service temporarily unavailable, try again later.",
        _ => return None,
    };
    Some(json!({"detail": text}))
}

const TIME: &str = "2026-11-25T09:30:00.000000Z";
const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiI3In0.c2lnbmF0dXJl";
const EPOCH: &str = "5f0c2f7d9a";

fn page(row: Value) -> Value {
    json!({"next": null, "previous": null, "results": [row]})
}

fn user_ref() -> Value {
    json!({"id": 8, "username": "tom", "first_name": "Tom", "last_name": "Cat", "avatar": null})
}

fn invite() -> Value {
    let code = "9f86d081884c7d659a2feaa0c55ad015";
    json!({
        "code": code, "url": format!("https://chat.example.org/invite/{code}"),
        "created_by": user_ref(), "created_at": TIME, "expires_at": TIME, "max_uses": 5, "uses": 1,
    })
}

fn report() -> Value {
    json!({
        "id": 2, "reporter": user_ref(), "user": user_ref(), "message": 12,
        "copy": {"content": "Meow!", "timestamp": TIME, "edited_at": null, "attachments": []},
        "reason": "spam",
        "text": "Third time today", "status": "open", "note": "", "created_at": TIME,
        "handled_by": null, "handled_at": null,
    })
}

fn user() -> Value {
    json!({
        "id": 8, "username": "tom", "first_name": "Tom", "last_name": "Cat", "avatar": null,
        "status": "online", "status_text": "", "last_seen": TIME, "date_joined": TIME,
    })
}

fn own_user() -> Value {
    json!({
        "id": 7, "username": "whiskers", "first_name": "", "last_name": "", "avatar": null,
        "status": "online", "status_text": "", "last_seen": null, "date_joined": TIME,
        "email": "whiskers@example.org", "is_staff": false, "is_superuser": false,
        "availability": "online",
    })
}

fn session() -> Value {
    json!({
        "id": 5, "created_at": TIME, "last_used_at": TIME, "ip": "192.0.2.7",
        "user_agent": "curl/8.5.0", "current": true,
    })
}

fn member() -> Value {
    json!({
        "user": user_ref(), "role": "member", "joined_at": TIME,
        "last_delivered_seq": 1, "last_read_seq": 1,
    })
}

fn account_sync() -> Value {
    json!({
        "version": 14, "user": null, "blocks": [], "more": false,
        "chats": [{
            "chat": 3, "last_read_seq": 1, "unread_count": 0, "unread_mentions": 0, "muted_until": null,
            "pinned": false, "archived": false,
        }],
    })
}

fn message() -> Value {
    json!({
        "id": 12, "chat": 3, "seq": 1, "version": 2, "sender": user_ref(), "content": "Meow!",
        "timestamp": TIME, "edited_at": null, "deleted_at": null, "reply_to": null,
        "client_id": "b0f7c2a4", "status": "read",
        "reactions": [{"emoji": "👍", "count": 1, "users": [7]}], "mentions": [],
        "mentions_all": false, "pinned_at": null, "forwarded_from": null,
        "attachments": [attachment()],
    })
}

fn attachment() -> Value {
    json!({
        "id": 7, "name": "cat.jpg", "content_type": "image/jpeg", "size": 48_213, "width": 1_024, "height": 768,
        "has_thumbnail": true, "url": "https://chat.example.org/api/attachments/7/", "created_at": TIME,
    })
}

fn reaction() -> Value {
    json!({"emoji": "👍", "user": user_ref(), "created_at": TIME})
}

fn chat() -> Value {
    json!({
        "id": 3, "type": "private", "name": "Tom Cat", "description": "", "avatar": null,
        "created_at": TIME, "created_by": user_ref(), "members_count": 2, "peer": user(),
        "my_role": "member", "last_message": message(), "unread_count": 0, "unread_mentions": 0, "last_seq": 1,
        "last_read_seq": 1, "muted_until": null, "pinned": false, "archived": false, "blocked": false,
        "version": 2,
    })
}

fn change() -> Value {
    json!({"chat": chat(), "messages": [message()], "more": false})
}
