// Package wire carries hostapi between the engine and a helper over any stream of bytes.
//
// The helper speaks first: a preamble of magic and protocol version. The engine answers with its own, and from there on both sides speak
// yamux. Each request is one yamux stream:
//
//	engine  request frame (method and JSON)
//	helper  any number of event frames, then one result or error frame
//
// A stream that the engine closes before the result cancels the context of the handler, which can still answer: a cancelled step is waited for, within a bound, since a
// host ends the operation at hand first. Other requests are not. After the result of Dial both sides exchange data
// frames; a half-close frame ends one direction, closing the stream ends both.
//
// Bytes before the preamble are skipped up to a bound: login scripts print, and sudo may leave an unread password line behind. They are
// never part of an error on the helper's side.
package wire
