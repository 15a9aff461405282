//! A protocol whose messages are framed one way in datagrams and another in streams.

use super::{Carrier, Input, Output, Parser, Progress};

/// Two parsers, of which the carrier of a flow picks one.
#[derive(Debug)]
struct Carried {
    stream: Box<dyn Parser>,
    datagram: Box<dyn Parser>,
}

/// Makes a parser that reads streams with the one and datagrams with the other.
pub(super) fn parser(stream: Box<dyn Parser>, datagram: Box<dyn Parser>) -> Box<dyn Parser> {
    Box::new(Carried { stream, datagram })
}

impl Parser for Carried {
    fn reset(&mut self) {
        self.stream.reset();
        self.datagram.reset();
    }

    fn read(&mut self, input: Input<'_>, out: &mut Output<'_>) -> Progress {
        if input.carrier == Carrier::Tcp {
            self.stream.read(input, out)
        } else {
            self.datagram.read(input, out)
        }
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.stream.finish(out);
        self.datagram.finish(out);
    }
}
