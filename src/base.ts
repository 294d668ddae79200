/**
 * base: the only module that touches time, randomness and the operating system.
 *
 * Everything above receives a {@link System} and never imports `node:fs`, reads a clock, sets a timer or draws a random number
 * itself. This lets one seed replay a whole broker (`sim/`), lets a test run a year in a millisecond, and lets `memory: true`
 * run without a disk.
 */
export { assert } from './base/assert.ts'
export { allow, ByteReader, ByteWriter, beginPauses, type Chunks, MalformedInput, TooManyElements, unlimited } from './base/bytes.ts'
export { ageOf, type ClockHistory } from './base/clock-history.ts'
export {
  boolean,
  bytes,
  type ConfigKey,
  type ConfigType,
  choice,
  className,
  type Declarations,
  type Dynamic,
  defaultsOf,
  defaultValue,
  didYouMean,
  double,
  type Importance,
  InvalidConfig,
  int,
  int64Max,
  intBytes,
  intMs,
  list,
  long,
  missingConfig,
  ms,
  nearestName,
  type Parsed,
  parseValue,
  password,
  readValue,
  readValues,
  type Synonym,
  short,
  splitList,
  string,
  UnknownConfig,
  type ValueOf,
  type ValuesOf,
} from './base/config.ts'
export { crc32, crc32c } from './base/crc.ts'
export { cutText } from './base/cut-text.ts'
export { drained } from './base/drained.ts'
export { Durations, durationBoundsMs } from './base/durations.ts'
export { DirectoryInUse, DiskError, type FileHandle, type FileKind, type FileSystem, type OpenMode } from './base/file-system.ts'
export { freeIfLarge } from './base/free-memory.ts'
export { type Hiding, hidesNothing, hidingOf, hidingValues, isSecret, secretsWithin } from './base/hiding.ts'
export {
  addInt64,
  type Int64,
  maxInt64,
  millisSince,
  minInt64,
  nearestInt64,
  readInt64,
  saturatingAdd,
  subtractInt64,
  toInt64,
  writeInt64,
} from './base/int64.ts'
export { joinedKey } from './base/joined-key.ts'
export {
  type Document,
  mostJsonAtOnce,
  parseInTurns,
  parseLossless,
  readDocument,
  type Span,
  stringifyLossless,
} from './base/json.ts'
export { later, loadedOnce, type MaybePromise } from './base/later.ts'
export { type LineSink, openLineSink } from './base/line-sink.ts'
export { linearRegExp } from './base/linear-reg-exp.ts'
export { isLoopback } from './base/loopback.ts'
export { memoryFileSystem } from './base/memory-file-system.ts'
export { notReached } from './base/not-reached.ts'
export { overlayFileSystem } from './base/overlay-file-system.ts'
export { type GrowingPause, growingMs, pause } from './base/pause.ts'
export { isProcessThere, makeExpendable, type Processes, processesHere, processState } from './base/processes.ts'
export { scrambled } from './base/scrambled.ts'
export { settledWithin, severalAtOnce } from './base/several.ts'
export { stayAlive } from './base/stay-alive.ts'
export { type Clock, type Random, realSystem, type System, type Timer, type Timers, trustingClock } from './base/system.ts'
export { chunks, filterInSlices, inSlices, runInSlices, Turns } from './base/turns.ts'
export { watchTurns } from './base/watch-turns.ts'
export { type WatchedClock, watchClock } from './base/watched-clock.ts'
export { watchedContent } from './base/watched-file.ts'
