//! A field of a simulated message.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::clock;
use crate::random;

/// Elements of a list, and letters of a text, at most.
const LENGTH_MAX: usize = 65_536;

/// How the values of a field come about. A value that is no table with a `kind` stands for itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Field {
    /// This value, always.
    Fixed { value: Value },
    /// A number between two others, each as likely as the next.
    Uniform {
        min: f64,
        max: f64,
        #[serde(default = "two")]
        digits: u8,
    },
    /// A number that goes up and down by a step at most, between two others.
    Walk {
        min: f64,
        max: f64,
        step: f64,
        #[serde(default = "two")]
        digits: u8,
    },
    /// A number that goes up by a step each time, and begins again when it reaches `below`.
    Counter {
        #[serde(default)]
        start: i64,
        #[serde(default = "one")]
        step: i64,
        below: Option<i64>,
    },
    /// One of these, each time.
    Choice { of: Vec<Value> },
    /// One of these, chosen once for each device.
    Pick { of: Vec<Value> },
    /// True as often as this, 0 to 1.
    Boolean {
        #[serde(default = "half")]
        chance: f64,
    },
    /// The time, as ISO 8601, or as milliseconds since 1970.
    Time {
        #[serde(default)]
        milliseconds: bool,
    },
    /// The client identifier.
    ClientId {},
    /// The number of the client, from 1.
    Number {},
    /// Random letters and digits; `once` for the same in each message of a device.
    Text {
        length: usize,
        #[serde(default)]
        once: bool,
    },
    /// Fields inside.
    Object { fields: Map<String, Value> },
    /// So many values of one kind.
    List { length: usize, of: Box<Value> },
}

const fn two() -> u8 {
    2
}

const fn one() -> i64 {
    1
}

const fn half() -> f64 {
    0.5
}

impl Field {
    /// A field as it stands in a scenario.
    pub(super) fn parse(value: &Value) -> Result<Self, String> {
        if value.get("kind").is_none() {
            return Ok(Self::Fixed {
                value: value.clone(),
            });
        }
        let field = Self::deserialize(value).map_err(|error| error.to_string())?;
        field.check()?;
        Ok(field)
    }

    fn check(&self) -> Result<(), String> {
        match self {
            Self::Uniform { min, max, .. } | Self::Walk { min, max, .. } if min > max => {
                Err(format!("min {min} is above max {max}"))
            }
            Self::Walk { step, .. } if *step < 0.0 => Err("step is below 0".to_owned()),
            Self::Choice { of } | Self::Pick { of } if of.is_empty() => {
                Err("of has nothing to choose from".to_owned())
            }
            Self::Text { length, .. } | Self::List { length, .. } if *length > LENGTH_MAX => {
                Err(format!("length is above {LENGTH_MAX}"))
            }
            Self::Object { fields } => fields.iter().try_for_each(|(name, value)| {
                Self::parse(value)
                    .map(drop)
                    .map_err(|what| format!("{name}: {what}"))
            }),
            Self::List { of, .. } => Self::parse(of).map(drop),
            _ => Ok(()),
        }
    }

    /// The field of one device.
    pub(super) fn start(&self, client_id: &str, number: u32, random: &mut Random) -> Generator {
        match self {
            Self::Walk { min, max, .. } => Generator::Walk {
                field: self.clone(),
                at: random.between(*min, *max),
            },
            Self::Counter { start, step, below } => Generator::Counter {
                next: *start,
                start: *start,
                step: *step,
                below: *below,
            },
            Self::Pick { of } => Generator::Fixed(random.choice(of)),
            Self::ClientId {} => Generator::Fixed(client_id.into()),
            Self::Number {} => Generator::Fixed(number.into()),
            Self::Fixed { value } => Generator::Fixed(value.clone()),
            Self::Text { length, once: true } => Generator::Fixed(text(*length)),
            Self::Object { fields } => Generator::Object(
                fields
                    .iter()
                    .filter_map(|(name, value)| Some((name, Self::parse(value).ok()?)))
                    .map(|(name, field)| (name.clone(), field.start(client_id, number, random)))
                    .collect(),
            ),
            Self::List { length, of } => Generator::List(
                (0..*length)
                    .filter_map(|_| Self::parse(of).ok())
                    .map(|field| field.start(client_id, number, random))
                    .collect(),
            ),
            other => Generator::Each(other.clone()),
        }
    }
}

fn text(length: usize) -> Value {
    String::from_utf8_lossy(&random::text(length)).into()
}

/// A field of one device, from message to message.
#[derive(Clone, Debug)]
pub(super) enum Generator {
    Fixed(Value),
    /// What does not depend on the message before.
    Each(Field),
    Walk {
        field: Field,
        at: f64,
    },
    Counter {
        next: i64,
        start: i64,
        step: i64,
        below: Option<i64>,
    },
    Object(Vec<(String, Self)>),
    List(Vec<Self>),
}

impl Generator {
    /// The value in the next message.
    pub(super) fn next(&mut self, random: &mut Random) -> Value {
        match self {
            Self::Fixed(value) => value.clone(),
            Self::Each(field) => match field {
                Field::Uniform { min, max, digits } => rounded(random.between(*min, *max), *digits),
                Field::Choice { of } => random.choice(of),
                Field::Boolean { chance } => (random.unit() < *chance).into(),
                Field::Time { milliseconds: true } => clock::milliseconds().into(),
                Field::Time { .. } => clock::now().to_string().into(),
                Field::Text { length, .. } => text(*length),
                _ => Value::Null,
            },
            Self::Walk { field, at } => {
                let Field::Walk {
                    min,
                    max,
                    step,
                    digits,
                } = field
                else {
                    return Value::Null;
                };
                *at = (*at + random.between(-*step, *step)).clamp(*min, *max);
                rounded(*at, *digits)
            }
            Self::Counter {
                next,
                start,
                step,
                below,
            } => {
                let value = *next;
                *next = next.wrapping_add(*step);
                if below.is_some_and(|below| *next >= below) {
                    *next = *start;
                }
                value.into()
            }
            Self::Object(fields) => {
                let mut object = Map::new();
                for (name, generator) in fields {
                    object.insert(name.clone(), generator.next(random));
                }
                object.into()
            }
            Self::List(values) => values.iter_mut().map(|value| value.next(random)).collect(),
        }
    }
}

/// With so many digits behind the point; without any it is a whole number.
fn rounded(value: f64, digits: u8) -> Value {
    let factor = 10_f64.powi(i32::from(digits.min(12)));
    let value = (value * factor).round() / factor;
    if digits == 0 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it was rounded, and as saturates"
        )]
        return Value::from(value as i64);
    }
    value.into()
}

/// Numbers that nobody need guess.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new() -> Self {
        Self(random::number() | 1)
    }

    /// From 0 up to, and without, 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what fits")]
    pub(super) fn unit(&mut self) -> f64 {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, min: f64, max: f64) -> f64 {
        min + (max - min) * self.unit()
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a list that a person wrote"
    )]
    fn choice(&mut self, of: &[Value]) -> Value {
        let index = (self.unit() * of.len() as f64) as usize;
        of.get(index).cloned().unwrap_or_default()
    }
}
