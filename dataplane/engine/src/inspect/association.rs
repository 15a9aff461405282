use super::inspection::{Inspection, Outcome, Segment, Workspace};
use crate::flow::slot::Slot;
use crate::stream::{Chunk, Chunks, MessageBytes};

impl Inspection {
    /// Takes the chunks of an SCTP packet: each user message that is whole is a datagram.
    ///
    /// Messages are read as they arrive, not in the order of their streams: a parser of datagrams does not mind.
    pub(super) fn chunks(
        &mut self,
        slot: &mut Slot,
        segment: Segment<'_>,
        cx: &mut Workspace<'_>,
    ) -> Outcome {
        let mut association = self.association.take().unwrap_or_default();
        let mut outcome = Outcome::Continue;
        let mut is_silent = true;
        for chunk in Chunks::new(segment.payload) {
            let lane = association.lane(segment.from);
            let fragment = match chunk {
                Chunk::Data(fragment) => fragment,
                Chunk::Opening(first) => {
                    lane.open(Some(first), cx.buffers);
                    continue;
                }
                Chunk::Other => continue,
            };
            is_silent = false;
            let Some(message) = lane.accept(fragment, cx.buffers, cx.counters) else { continue };
            let (ppid, missing) = (message.ppid, message.missing);
            outcome = match message.bytes {
                MessageBytes::Lent(payload) => {
                    self.user_message(slot, Segment { payload, missing, ppid, ..segment }, cx)
                }
                MessageBytes::Joined(bytes) => {
                    let whole = Segment { payload: &bytes, missing, ppid, ..segment };
                    let outcome = self.user_message(slot, whole, cx);
                    cx.buffers.release(bytes);
                    outcome
                }
            };
            if outcome == Outcome::Settled {
                break;
            }
        }
        self.association = Some(association);
        // What is known goes on, however long only acknowledgements come.
        if is_silent && self.parser.is_none() { self.give_up_on_silence() } else { outcome }
    }

    fn user_message(&mut self, slot: &mut Slot, message: Segment<'_>, cx: &mut Workspace<'_>) -> Outcome {
        // One association may carry several protocols: a parser is shown the messages of its own.
        if message.payload.is_empty() || self.parser.is_some() && message.ppid != self.ppid {
            return Outcome::Continue;
        }
        self.ppid = message.ppid;
        self.datagram(slot, message, cx)
    }
}
