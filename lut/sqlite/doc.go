// Package sqlite keeps a study in one SQLite file: latency tables, and the schema for everything
// else that the stores of other packages put there (searches, families, simulations). It is the only
// package that knows the SQLite driver, and all migrations of the file live here, in migrations/.
//
// What PutTable or Update acknowledged is on disk: the file is in WAL mode with full
// synchronisation, so that a killed process or a power cut leaves the old state or the new one.
// Several processes may use a study at once; a writer waits for another, readers wait for nobody.
//
// The package trusts no file: it refuses those of other applications and of newer versions, and
// checks what it reads. It sets no times and no IDs but the row numbers.
package sqlite
