//! Reading packets and putting them in order, on a thread of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

use trace::TraceNs;

use super::sources::Sources;
use crate::Result;
use crate::flow::{Account, Batch, Reassembly};
use crate::net::{Decoded, Decoder};

/// Batches that may wait to be taken.
const BATCHES_WAITING_MAX: usize = 4;

/// What reading came to.
pub(super) struct Read {
    pub sources: Sources,
    pub decoded: Decoded,
    pub account: Account,
}

/// A batch, and how far reading had come with it: bytes and packets.
type Heard = (Batch, u64, u64);

/// Reads all packets on a thread of its own, and has `take` take what was heard of their connections, with the bytes and packets read so far.
///
/// # Errors
/// What reading or `take` failed with first.
pub(super) fn read(
    sources: Sources,
    stop: &AtomicBool,
    mut take: impl FnMut(&mut Batch, u64, u64) -> Result<()>,
) -> Result<Read> {
    let (out, heard) = sync_channel(BATCHES_WAITING_MAX);
    let (give_back, used) = channel();
    thread::scope(|scope| {
        let reader = scope.spawn(move || Reader { sources, stop, out, used, batch: Batch::default() }.run());
        let taken = heard.iter().try_for_each(|(mut batch, read_bytes, packets): Heard| {
            take(&mut batch, read_bytes, packets)?;
            // The reader may be at the end, and want no more.
            let _ = give_back.send(batch);
            Ok(())
        });
        // What reads on finds nobody that listens, and ends.
        drop(heard);
        let read = reader.join().expect("reading does not panic");
        taken.and(read)
    })
}

struct Reader<'a> {
    sources: Sources,
    stop: &'a AtomicBool,
    out: SyncSender<Heard>,
    /// Batches that were taken, for their room.
    used: Receiver<Batch>,
    batch: Batch,
}

impl Reader<'_> {
    fn run(mut self) -> Result<Read> {
        let (mut decoder, mut reassembly) = (Decoder::default(), Reassembly::default());
        while let Some(packet) = self.sources.next()? {
            let at = TraceNs(packet.at_unix_ns);
            decoder.packet(&packet, |segment| reassembly.segment(at, segment, &mut self.batch));
            if self.batch.is_full() && !self.hand_on() {
                break;
            }
            if self.stop.load(Ordering::Relaxed) && self.sources.stop() {
                break;
            }
        }
        let account = reassembly.finish(&mut self.batch);
        self.hand_on();
        Ok(Read { sources: self.sources, decoded: decoder.finish(), account })
    }

    /// Whether anybody listens yet.
    fn hand_on(&mut self) -> bool {
        let batch = std::mem::replace(&mut self.batch, self.used.try_recv().unwrap_or_default());
        self.out.send((batch, self.sources.raw_bytes(), self.sources.packets())).is_ok()
    }
}
