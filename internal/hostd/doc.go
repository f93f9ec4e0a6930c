// Package hostd is what Trivet's helper does on a host: it reads facts, carries out steps, keeps the record of what was applied, holds
// the host's locks, and moves blobs between hosts. It is a hostapi.Handler; it knows hosts, not Kubernetes.
//
// # The record and interruption
//
// A step may be cut off at any instruction: by a lost connection, a killed process, a power cut. What makes the next step right is one
// invariant:
//
//	Whatever has been changed on the host, or is half changed, is named in a durable record together with what was there before.
//
// A step is carried out in batches. For each batch,
//
//  1. every operation is prepared: the host is looked at, what is there before is captured (foreign files are copied below prior/), and
//     the operation is marked pending in the record. Nothing but prior/ is written;
//  2. the record is written: to a temporary name, synced, renamed, its directory synced. One write covers the whole batch;
//  3. operations take effect in order. Each effect can be repeated from any point of itself;
//  4. the directories that were written to are synced, then the record is written again, without the pending marks.
//
// Cut off before 2, the host is as it was. Cut off between 2 and 4, the entries are pending: the engine sees them so, and doing the
// operations again, or removing the items, starts from the captured prior state, which is never captured twice. An operation that is
// found pending counts as a change even when its effect turns out to be there, so that units which depend on it are restarted.
// A failure inside a step goes through 4 for what was done and takes back the marks of what was not begun.
//
// A batch ends where preparing early would see something else than the operation itself: where a path or item comes up a second time,
// between ensuring and removing, and after a package, whose files may be anything.
//
// Units are restarted because of sequence numbers: every intent takes the next number, an item's is when it last changed, a unit's is when
// it was last started; a unit is stale while an input's number is above its own.
//
// An input's number is raised by what its readers have to know: not by a mode or an owner that was put right around the same content.
//
// Folders made on the way to the record are synced before the record is, and what was written is synced before systemd is told of it, since systemd's own links are not
// ours to order. Blobs of the store have one fixed modification time: a blob with another one was written to, and its digest is taken before it is used or offered.
//
// What belongs to somebody else is looked for before the first operation of a step: data folders with content, interfaces, control groups. A step that is refused for it
// leaves nothing on a host that had no record.
//
// Commands of the user's (hooks) are no items: what they did cannot be recorded together with their doing it. Those that must not be lost are in the record as owed before
// anything after that is done, and leave it once they have ended well. Unlike an operation, a hook is not finished when its step is cancelled: it is ended.
//
// The record is never guessed. A record that does not read, or is gone while its previous version is there, is an error, and the helper
// then refuses to change anything.
package hostd
