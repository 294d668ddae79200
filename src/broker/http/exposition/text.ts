/** The text format of Prometheus: families with help and type, samples with labels. Hand-written, because 10,000 partitions have many samples. */

import { type Durations, durationBoundsMs, type Turns } from '../../../base.ts'

export type FamilyType = 'counter' | 'gauge' | 'summary' | 'histogram'

export type Labels = Readonly<Record<string, string | number>>

/** Collects text until it is taken, so that a long page can be sent in pieces. */
export class Page {
  #text = ''
  #family = ''

  get length(): number {
    return this.#text.length
  }

  /** What has been written since the last call. */
  take(): string {
    const text = this.#text
    this.#text = ''
    return text
  }

  /** Begins a family; all its samples must follow before the next begins. */
  family(name: string, type: FamilyType, help: string): void {
    this.#family = name
    this.#text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
  }

  /** A sample of the current family; `suffix` as in `_count`. */
  sample(value: number, labels: Labels | null = null, suffix = ''): void {
    this.#text += `${this.#family}${suffix}${labels === null ? '' : labelText(labels)} ${numberText(value)}\n`
  }

  /** The same with labels that were written by {@link labelText} before. */
  labelled(labels: string, value: number): void {
    this.#text += `${this.#family}${labels} ${numberText(value)}\n`
  }

  /** A family of one sample. */
  single(name: string, type: FamilyType, help: string, value: number): void {
    this.family(name, type, help)
    this.sample(value)
  }
}

/** Samples of a family of type histogram, in seconds. */
export function writeHistogram(page: Page, { buckets, count, totalMs }: Durations, labels: Record<string, string> | null): void {
  let below = 0
  durationBoundsMs.forEach((bound, index) => {
    below += buckets[index]!
    page.sample(below, { ...labels, le: bound / 1000 }, '_bucket')
  })
  page.sample(count, { ...labels, le: '+Inf' }, '_bucket')
  page.sample(totalMs / 1000, labels, '_sum')
  page.sample(count, labels, '_count')
}

const pieceLength = 64 * 1024

/** A part of the page that may be long, in pieces between which clients are served; `steps` yields after each line. */
export async function* inPieces(page: Page, turns: Turns, steps: Iterable<void>): AsyncGenerator<string, void> {
  for (const _ of steps) {
    const { over } = turns
    if (!over && page.length < pieceLength) continue
    yield page.take()
    if (over) await turns.next()
  }
  yield page.take()
}

export function labelText(labels: Labels): string {
  let text = ''
  for (const name in labels) text += `${text === '' ? '{' : ','}${name}="${escaped(String(labels[name]))}"`
  return text === '' ? '' : `${text}}`
}

/** Group names may hold anything. */
function escaped(value: string): string {
  return /[\\"\n]/.test(value) ? value.replace(/[\\"\n]/g, char => (char === '\n' ? '\\n' : `\\${char}`)) : value
}

function numberText(value: number): string {
  return Number.isFinite(value) ? String(value) : Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
}
