//! Lists of users for staff: filters, orders, and places in these lists.

use super::ids::UserId;
use super::search::{Match, Tier};
use super::text;
use super::time::Timestamp;
use super::user::User;

/// By what a list of users is ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserOrder {
    /// When they joined, latest first.
    #[default]
    Joined,
    /// When they were last connected, latest first.
    Seen,
    /// By username.
    Username,
}

impl UserOrder {
    /// All of them, in the order of a menu.
    pub const ALL: [Self; 3] = [Self::Joined, Self::Seen, Self::Username];

    /// The name in a query.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Seen => "seen",
            Self::Username => "username",
        }
    }

    /// Whether greater keys come later.
    pub const fn ascends(self) -> bool {
        matches!(self, Self::Username)
    }

    /// A user's place.
    pub fn place(self, user: &User) -> UserPlace {
        match self {
            Self::Joined => UserPlace::Time(user.date_joined, user.id),
            Self::Seen => UserPlace::Time(user.last_seen.unwrap_or(Timestamp::MIN), user.id),
            Self::Username => UserPlace::Name(text::fold(&user.username)),
        }
    }
}

/// Which users, in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserListing {
    /// A name, an e-mail address or an id, by which they are then ordered, best first.
    pub search: Option<String>,
    /// Whether they may log in.
    pub active: Option<bool>,
    /// Whether they are staff.
    pub staff: Option<bool>,
    /// Whether they are superusers.
    pub superuser: Option<bool>,
    /// Not before this. With either of the two, the order is by when they joined.
    pub joined_from: Option<Timestamp>,
    /// Before this.
    pub joined_until: Option<Timestamp>,
    /// The order.
    pub order: UserOrder,
}

impl UserListing {
    /// The order in fact: a range of times is read in its own.
    pub fn effective_order(&self) -> UserOrder {
        match self.joined_from.or(self.joined_until) {
            Some(_) => UserOrder::Joined,
            None => self.order,
        }
    }

    /// Whether a user passes the filters.
    pub fn fits(&self, user: &User) -> bool {
        let is = |wanted: Option<bool>, flag| wanted.is_none_or(|wanted| wanted == flag);
        user.deleted_at.is_none()
            && is(self.active, user.is_active)
            && is(self.staff, user.is_staff)
            && is(self.superuser, user.is_superuser)
            && self.joined_from.is_none_or(|from| user.date_joined >= from)
            && self.joined_until.is_none_or(|until| user.date_joined < until)
    }
}

/// A place in a list of users.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UserPlace {
    /// By time.
    Time(Timestamp, UserId),
    /// By the folded username.
    Name(String),
    /// In a search.
    Found(Match, UserId),
}

impl UserPlace {
    /// For a cursor.
    pub fn to_text(&self) -> String {
        match self {
            Self::Time(time, id) => format!("t{} {id}", time.micros()),
            Self::Name(name) => format!("n{name}"),
            Self::Found(found, id) => {
                format!("f{} {} {id} {}", found.tier as u8, found.typos, found.key)
            }
        }
    }

    /// What [`UserPlace::to_text`] wrote, if it is of a list like this one.
    pub fn parse(text: &str, listing: &UserListing) -> Option<Self> {
        let rest = text.get(1..)?;
        let order = listing.effective_order();
        match (text.as_bytes()[0], listing.search.is_some(), order) {
            (b'f', true, _) => {
                let mut parts = rest.splitn(4, ' ');
                let tier = parts.next()?.parse::<usize>().ok()?;
                let tiers = [Tier::Username, Tier::Name, Tier::Words, Tier::Typos];
                let (tier, typos) = (*tiers.get(tier)?, parts.next()?.parse().ok()?);
                let id = UserId(parts.next()?.parse().ok()?);
                Some(Self::Found(Match { tier, typos, key: parts.next()?.to_owned() }, id))
            }
            (b't', false, UserOrder::Joined | UserOrder::Seen) => {
                let (time, id) = rest.split_once(' ')?;
                let time = Timestamp::from_micros(time.parse().ok()?);
                Some(Self::Time(time, UserId(id.parse().ok()?)))
            }
            (b'n', false, UserOrder::Username) => Some(Self::Name(rest.to_owned())),
            _ => None,
        }
    }
}
