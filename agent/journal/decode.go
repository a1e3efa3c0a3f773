package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

// A segment is a header of 16 bytes and records, little-endian.
//
//	segment header              record header
//	0  "WSJ1"                   0  "WJR1"
//	4  format version, u32 = 1  4  length of kind and payload together, u32
//	8  first seq, u64           8  CRC-32C of everything after it: bytes 12 to the record's end
//	                            12 seq, u64: counts from 1, without holes
//	                            20 CLOCK_BOOTTIME, ns, i64
//	                            28 wall clock, Unix ns, i64
//	                            36 boot id, 16 bytes
//	                            52 length of kind, u8; then kind, then the payload as JSON
//
// In a pre-allocated segment 16 zeros (or as many as fit) follow the last record, and then whatever is left of the file's earlier life, whose
// records have a seq below the first seq.
const (
	segmentHeader = 16
	recordHeader  = 53
	endMark       = 16
	formatVersion = 1
	// MaxRecord is the longest kind and payload together.
	MaxRecord = 256 << 10
	// maxSegment bounds what a reader takes into memory at once.
	maxSegment = 64 << 20
)

var (
	segmentMagic = []byte("WSJ1")
	recordMagic  = []byte("WJR1")
	castagnoli   = crc32.MakeTable(crc32.Castagnoli)
)

// Record is one record as read back.
type Record struct {
	Seq    uint64
	Kind   string
	Boot   time.Duration // CLOCK_BOOTTIME at Append
	Wall   time.Time     // wall clock at Append; may be wrong
	BootID string        // the kernel's boot id as 32 hexadecimal digits: Boot times of different ids do not compare
	Data   json.RawMessage

	File   string // where it stands
	Offset int64
}

// Damage is a place that could not be read. Reading goes on behind it.
type Damage struct {
	File   string
	Offset int64
	Bytes  int64
	Torn   bool // the end of the newest segment: what a crash during an append leaves behind, not a fault of the disk
	Reason string
}

// String names file, place, length and reason.
func (d Damage) String() string {
	return fmt.Sprintf("%s: offset %d: %d bytes: %s", d.File, d.Offset, d.Bytes, d.Reason)
}

// encodeRecord appends a record to buf.
func encodeRecord(buf []byte, seq uint64, boot time.Duration, wall time.Time, bootID [16]byte, kind string, data []byte) []byte {
	start := len(buf)
	buf = append(buf, recordMagic...)
	buf = binary.LittleEndian.AppendUint32(buf, uint32(len(kind)+len(data)))
	buf = append(buf, 0, 0, 0, 0)
	buf = binary.LittleEndian.AppendUint64(buf, seq)
	buf = binary.LittleEndian.AppendUint64(buf, uint64(boot))
	buf = binary.LittleEndian.AppendUint64(buf, uint64(wall.UnixNano()))
	buf = append(buf, bootID[:]...)
	buf = append(buf, byte(len(kind)))
	buf = append(buf, kind...)
	buf = append(buf, data...)
	binary.LittleEndian.PutUint32(buf[start+8:], crc32.Checksum(buf[start+12:], castagnoli))
	return buf
}

var errNoRecord = errors.New("no record starts here")

// decodeRecord reads the record at the start of b. next is its length.
func decodeRecord(b []byte) (r Record, next int, err error) {
	if len(b) < recordHeader || !bytes.Equal(b[:4], recordMagic) {
		return r, 0, errNoRecord
	}
	n := int64(binary.LittleEndian.Uint32(b[4:]))
	if n > MaxRecord {
		return r, 0, fmt.Errorf("length %d is above %d", n, MaxRecord)
	}
	next = recordHeader + int(n)
	if next > len(b) {
		return r, 0, fmt.Errorf("record of %d bytes ends behind the segment", next)
	}
	if got, want := crc32.Checksum(b[12:next], castagnoli), binary.LittleEndian.Uint32(b[8:]); got != want {
		return r, next, fmt.Errorf("checksum %08x, the record says %08x", got, want)
	}
	kind := int(b[52])
	if int64(kind) > n {
		return r, next, errors.New("kind is longer than the record")
	}
	return Record{
		Seq:    binary.LittleEndian.Uint64(b[12:]),
		Boot:   time.Duration(binary.LittleEndian.Uint64(b[20:])),
		Wall:   time.Unix(0, int64(binary.LittleEndian.Uint64(b[28:]))),
		BootID: hex.EncodeToString(b[36:52]),
		Kind:   string(b[recordHeader : recordHeader+kind]),
		Data:   json.RawMessage(b[recordHeader+kind : next : next]),
	}, next, nil
}

// segmentInfo is what scanning a segment finds besides its records.
type segmentInfo struct {
	first  uint64
	last   uint64 // seq of the last record; first−1 if there is none
	end    int64  // offset behind the last record
	damage []Damage
}

// scanSegment gives every record of a segment to fn, in order. Bytes that are no record are skipped up to the next one that is, and reported.
// What follows the last record is damage, marked Torn, unless it is the end mark or a record of the file's earlier life.
func scanSegment(file string, b []byte, fn func(Record) error) (segmentInfo, error) {
	var info segmentInfo
	if len(b) < segmentHeader || !bytes.Equal(b[:4], segmentMagic) {
		return info, fmt.Errorf("journal: %s: not a segment", file)
	}
	if v := binary.LittleEndian.Uint32(b[4:]); v != formatVersion {
		return info, fmt.Errorf("journal: %s: format version %d, this program reads %d", file, v, formatVersion)
	}
	info.first = binary.LittleEndian.Uint64(b[8:])
	info.last, info.end = info.first-1, segmentHeader
	off := segmentHeader
	for off < len(b) {
		r, n, err := decodeRecord(b[off:])
		if err == nil && r.Seq > info.last {
			r.File, r.Offset = file, int64(off)
			if fn != nil {
				if err := fn(r); err != nil {
					return info, err
				}
			}
			off += n
			info.last, info.end = r.Seq, int64(off)
			continue
		}
		old := err == nil // a good record of an earlier life of the file
		next := nextRecord(b, off+1, info.last)
		if next < 0 {
			if end := b[off:min(off+endMark, len(b))]; !old && len(bytes.TrimLeft(end, "\x00")) > 0 {
				info.damage = append(info.damage, Damage{file, int64(off), int64(len(b) - off), true, "torn tail: " + reasonOf(err)})
			}
			break
		}
		info.damage = append(info.damage, Damage{file, int64(off), int64(next - off), false, reasonOf(err)})
		off = next
	}
	return info, nil
}

func reasonOf(err error) string {
	if err == nil {
		return "an older record stands between newer ones"
	}
	return err.Error()
}

// nextRecord is the offset of the next good record with a seq above last, or −1.
func nextRecord(b []byte, from int, last uint64) int {
	for from < len(b) {
		i := bytes.Index(b[from:], recordMagic)
		if i < 0 {
			return -1
		}
		from += i
		if r, _, err := decodeRecord(b[from:]); err == nil && r.Seq > last {
			return from
		}
		from++
	}
	return -1
}
