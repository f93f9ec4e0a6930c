package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestFrameRoundTrip(t *testing.T) {
	for _, f := range []frame{
		{kindRequest, []byte(`{"method":"observe"}`)},
		{kindResult, bytes.Repeat([]byte("x"), 3*writeChunk+1)},
		{kindData, bytes.Repeat([]byte("y"), maxData)},
		{kindHalfClose, nil},
		{kindEvent, nil},
	} {
		var b bytes.Buffer
		if err := writeFrame(&b, f.kind, f.payload); err != nil {
			t.Fatal(err)
		}
		got, err := readFrame(iotest.HalfReader(&b))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(f, got, cmp.AllowUnexported(frame{})); diff != "" {
			t.Errorf("frame %q:\n%s", f.kind, diff)
		}
	}
}

func header(k kind, n uint32) string {
	return string(binary.BigEndian.AppendUint32([]byte{byte(k)}, n))
}

func TestBadFrames(t *testing.T) {
	for _, tc := range []struct {
		name, in, want string
		is             error
	}{
		{"nothing", "", "", io.EOF},
		{"cut header", "q\x00\x00", "", io.ErrUnexpectedEOF},
		{"cut payload", header(kindResult, 10) + "abc", "", io.ErrUnexpectedEOF},
		{"no payload", header(kindResult, 10), "", io.ErrUnexpectedEOF},
		{"unknown kind", header('?', 1) + "a", "unknown frame kind 0x3f", nil},
		{"too big", header(kindRequest, MaxMessage+1), "is above the protocol's limit of 67108864", nil},
		{"data too big", header(kindData, maxData+1), "is above the protocol's limit of 65536", nil},
		{"half-close with payload", header(kindHalfClose, 1) + "a", "above the protocol's limit of 0", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := readFrame(strings.NewReader(tc.in))
			if tc.is != nil && err != tc.is {
				t.Errorf("got %v, want %v", err, tc.is)
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestWriteFrameTooBig(t *testing.T) {
	var size *SizeError
	if err := writeFrame(io.Discard, kindData, make([]byte, maxData+1)); !errors.As(err, &size) || size.Limit != maxData {
		t.Errorf("got %v", err)
	}
}

// FuzzReadFrame: any input gives frames within their limits or an error, and each frame that is read is written back as it was.
func FuzzReadFrame(f *testing.F) {
	f.Add([]byte(header(kindRequest, 2) + "{}"))
	f.Add([]byte(header(kindData, 3) + "abc" + header(kindHalfClose, 0)))
	f.Add([]byte(header(kindError, MaxMessage)))
	f.Add([]byte(header(kindError, MaxMessage+1)))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		var back bytes.Buffer
		for {
			at := len(in) - r.Len()
			fr, err := readFrame(r)
			if err != nil {
				return
			}
			if len(fr.payload) > fr.kind.limit() {
				t.Fatalf("frame %q has %d bytes", fr.kind, len(fr.payload))
			}
			back.Reset()
			if err := writeFrame(&back, fr.kind, fr.payload); err != nil {
				t.Fatal(err)
			}
			if now := len(in) - r.Len(); !bytes.Equal(back.Bytes(), in[at:now]) {
				t.Fatalf("%q was written back as %q", in[at:now], back.Bytes())
			}
		}
	})
}

func FuzzPreamble(f *testing.F) {
	f.Add([]byte("Last login: today\n\x00trivet\x00\x00\x01rest"))
	f.Add([]byte("\x00trivet\x00trivet\x00\x00\x02"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		version, noise, err := readPreamble(r)
		at := bytes.Index(in, magic)
		if err != nil {
			if at >= 0 && at <= maxNoise-len(magic) && len(in) >= at+len(magic)+2 {
				t.Fatalf("%q has a preamble: %v", in, err)
			}
			return
		}
		if at < 0 || !bytes.Equal(noise, in[:at]) {
			t.Fatalf("noise %q of %q", noise, in)
		}
		if want := binary.BigEndian.Uint16(in[at+len(magic):]); version != want || r.Len() != len(in)-at-len(magic)-2 {
			t.Fatalf("version %d, %d bytes left of %q", version, r.Len(), in)
		}
	})
}
