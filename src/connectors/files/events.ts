/** Events within the bytes of a file: lines, or several lines that belong together. */

export interface Event {
  readonly text: Buffer
  /** Where the next one begins, in the file. */
  readonly end: number
}

export interface EventSettings {
  /** A line that it matches begins an event; null: each line is one. */
  readonly begins: RegExp | null
  /** Longer ones are cut into pieces of this size. */
  readonly mostBytes: number
}

/** What is at `position` in these bytes, up to the last event that is complete. `isEnd`: nothing follows, so that the last one is complete as well. */
export function eventsOf(bytes: Buffer, position: number, isEnd: boolean, settings: EventSettings): Event[] {
  const events: Event[] = []
  let from = 0
  let complete = 0
  const give = (to: number) => {
    for (; to - from > settings.mostBytes; from += settings.mostBytes)
      events.push({ text: bytes.subarray(from, from + settings.mostBytes), end: position + from + settings.mostBytes })
    events.push({ text: withoutEnd(bytes.subarray(from, to)), end: position + to })
    from = to
  }
  while (complete < bytes.length) {
    const feed = bytes.indexOf(0x0a, complete)
    const end = feed === -1 ? bytes.length : feed + 1
    if (feed === -1 && !isEnd && bytes.length - from <= settings.mostBytes) return events
    const isBegin =
      settings.begins === null ||
      settings.begins.test(bytes.toString('utf8', complete, Math.min(end, complete + settings.mostBytes)).trimEnd())
    if (isBegin && complete > from) give(complete)
    complete = end
    // Of a line without an end only whole pieces can be given.
    if (feed === -1 && !isEnd) {
      for (; bytes.length - from > settings.mostBytes; from += settings.mostBytes)
        events.push({ text: bytes.subarray(from, from + settings.mostBytes), end: position + from + settings.mostBytes })
      return events
    }
    if (settings.begins === null) give(complete)
  }
  if (isEnd && complete > from) give(complete)
  return events
}

function withoutEnd(line: Buffer): Buffer {
  const end = line.at(-1) === 0x0a ? (line.at(-2) === 0x0d ? -2 : -1) : line.length
  return end < 0 ? line.subarray(0, end) : line
}
