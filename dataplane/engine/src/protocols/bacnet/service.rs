//! What requests and announcements are about (ANSI/ASHRAE 135-2020, clauses 13 to 16).

use super::names;
use super::tag::{
    CHARACTER_STRING, ENUMERATED, OBJECT_IDENTIFIER, Tag, Tags, UNSIGNED, object, text, unsigned, write_value,
};
use crate::record::EventWriter;

/// Objects and properties of one request that are written.
const LISTED_MAX: usize = 16;

/// Writes the arguments of a confirmed request.
pub(super) fn write_confirmed(service: u8, data: &[u8], event: &mut EventWriter<'_>) {
    let mut tags = Tags::new(data);
    let _ = match service {
        // SubscribeCOV and SubscribeCOVProperty: process, object.
        5 | 28 => write_subscription(&mut tags, event),
        // COV notifications are as the unconfirmed ones.
        1 => write_notification(&mut tags, event),
        // Objects are created by type or by identifier, within a choice.
        10 => {
            tags.opens(0);
            match tags.next() {
                Some(Tag::Context(1, id)) => object(id).map(|id| write_object(id, event)),
                Some(Tag::Context(0, kind)) => {
                    let kind = unsigned(kind).and_then(|kind| u32::try_from(kind).ok()).unwrap_or(u32::MAX);
                    event.label("object_type", names::object_type(kind));
                    Some(())
                }
                _ => None,
            }
        }
        6 | 7 | 11 => tags.application(OBJECT_IDENTIFIER).and_then(object).map(|id| write_object(id, event)),
        8 | 9 | 12 | 26 => write_property(&mut tags, event),
        14 | 16 => write_multiple(&mut tags, event),
        15 => write_property(&mut tags, event).map(|()| {
            if tags.opens(3) {
                if let Some(tag) = tags.next() {
                    write_value("value", tag, event);
                }
                if let Some(Tag::Context(4, priority)) = tags.find(|tag| matches!(tag, Tag::Context(4, _)))
                    && let Some(priority) = unsigned(priority)
                {
                    event.number("priority", priority);
                }
            }
        }),
        17 => {
            if let Some(minutes) = tags.context(0).and_then(unsigned) {
                event.number("duration_minutes", minutes);
            }
            tags.context(1).and_then(unsigned).map(|state| {
                event.label("state", names::communication_state(state));
                event.flag("password_present", tags.context(2).is_some());
            })
        }
        20 => tags.context(0).and_then(unsigned).map(|state| {
            event.label("state", names::reinitialized_state(state));
            event.flag("password_present", tags.context(1).is_some());
        }),
        _ => None,
    };
}

/// Writes what an unconfirmed request says.
pub(super) fn write_unconfirmed(service: u8, data: &[u8], event: &mut EventWriter<'_>) {
    let mut tags = Tags::new(data);
    let _ = match service {
        0 => write_i_am(&mut tags, event),
        1 => write_i_have(&mut tags, event),
        2 => write_notification(&mut tags, event),
        7 => write_who_has(&mut tags, event),
        8 => write_limits(&mut tags, event),
        _ => None,
    };
}

fn write_i_am(tags: &mut Tags<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    write_object(tags.application(OBJECT_IDENTIFIER).and_then(object)?, event);
    event.number("max_apdu", tags.application(UNSIGNED).and_then(unsigned)?);
    let segmentation = match tags.application(ENUMERATED).and_then(unsigned)? {
        0 => "both",
        1 => "transmit",
        2 => "receive",
        _ => "none",
    };
    event.label("segmentation", segmentation);
    event.number("vendor_id", tags.application(UNSIGNED).and_then(unsigned)?);
    Some(())
}

fn write_i_have(tags: &mut Tags<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    let (_, device) = tags.application(OBJECT_IDENTIFIER).and_then(object)?;
    event.number("device", device);
    write_object(tags.application(OBJECT_IDENTIFIER).and_then(object)?, event);
    event.text("object_name", tags.application(CHARACTER_STRING).and_then(text)?);
    Some(())
}

fn write_who_has(tags: &mut Tags<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    let _ = write_limits(tags, event);
    match tags.next()? {
        Tag::Context(2, id) => write_object(object(id)?, event),
        Tag::Context(3, name) => {
            event.text("object_name", text(name)?);
        }
        _ => return None,
    }
    Some(())
}

/// The lowest and highest device that is meant.
fn write_limits(tags: &mut Tags<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    let low = tags.context(0).and_then(unsigned)?;
    let high = tags.context(1).and_then(unsigned)?;
    event.number("low_limit", low).number("high_limit", high);
    Some(())
}

fn write_subscription(tags: &mut Tags<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    event.number("process", tags.context(0).and_then(unsigned)?);
    write_object(tags.context(1).and_then(object)?, event);
    Some(())
}

fn write_notification(tags: &mut Tags<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    event.number("process", tags.context(0).and_then(unsigned)?);
    let (_, device) = tags.context(1).and_then(object)?;
    event.number("device", device);
    write_object(tags.context(2).and_then(object)?, event);
    Some(())
}

/// Object, property and maybe the index in an array.
fn write_property(tags: &mut Tags<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    write_object(tags.context(0).and_then(object)?, event);
    write_property_name(tags.context(1)?, event);
    if let Some(index) = tags.context(2).and_then(unsigned) {
        event.number("index", index);
    }
    Some(())
}

/// Objects, each with a list of properties.
fn write_multiple(tags: &mut Tags<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    event.list("objects");
    for _ in 0..LISTED_MAX {
        let Some(id) = tags.context(0).and_then(object) else { break };
        event.object("");
        write_object(id, event);
        event.list("properties");
        let mut depth = 0_u32;
        let mut listed = 0;
        for tag in tags.by_ref() {
            match tag {
                Tag::Opening(_) => depth += 1,
                Tag::Closing(_) => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        break;
                    }
                }
                Tag::Context(0, id) if depth == 1 && listed < LISTED_MAX => {
                    listed += 1;
                    event.object("");
                    write_property_name(id, event);
                    event.close();
                }
                _ if depth == 0 => break,
                _ => {}
            }
        }
        event.close().close();
        if tags.is_empty() {
            break;
        }
    }
    event.close();
    Some(())
}

fn write_object((kind, instance): (u32, u32), event: &mut EventWriter<'_>) {
    event.label("object_type", names::object_type(kind)).number("instance", instance);
}

fn write_property_name(content: &[u8], event: &mut EventWriter<'_>) {
    let Some(id) = unsigned(content).and_then(|id| u32::try_from(id).ok()) else { return };
    event.number("property_id", id);
    if let Some(name) = names::property(id) {
        event.label("property", name);
    }
}

/// Class and code of an error (clause 18), plain or within tag 0.
pub(super) fn write_error(data: &[u8], event: &mut EventWriter<'_>) {
    let mut tags = Tags::new(data);
    tags.opens(0);
    if let Some(class) = tags.application(ENUMERATED).and_then(unsigned)
        && let Some(code) = tags.application(ENUMERATED).and_then(unsigned)
    {
        event.label("error_class", names::error_class(class)).number("error_code", code);
    }
}
