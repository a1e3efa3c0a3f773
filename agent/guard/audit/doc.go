// Package audit judges a guardian from outside: it holds what a simulated chip's recorder saw a line do against the declared rules of the output,
// and against the guardian's own records, one to one. It states the rules anew and shares no code with the guardian's core.
//
// Holds: the rules that can be seen on the line (Check), the matching of changes with records (Account).
// Never holds: anything the guardian decides with.
// May import: agent/config, agent/guard (the record's types), agent/journal, hal (the simulated chip's record).
// Start reading at: Check, Account.
package audit
