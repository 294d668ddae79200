/** From measurements to ratios, and to the table in docs/benchmarks.md. */
import type { Goal, Measured, Row } from './row.ts'

/** What one row found in one run. `rounds` are in the order in which they were measured. */
export interface Result {
  name: string
  settings: string
  date: string
  commit: string
  machine: string
  /** Requests of the warm-up; empty for rows with a new process in each round. */
  warmed: { millrace?: number; kafka?: number }
  millrace: Measured[]
  kafka: Measured[]
  /** CPU seconds per GB of the gathered sink, a figure for each round; empty where no goal asks for it. */
  floor: number[]
}

/** A median with the least and the most of all rounds. */
interface Spread {
  median: number
  least: number
  most: number
}

export interface Verdict {
  goal: Goal
  millrace: Spread
  /** Kafka's figure, or the sink's; null for goals that stand by themselves. */
  other: Spread | null
  /** Of the medians; of the rounds in pairs. */
  ratio: Spread
  met: boolean
}

export function verdicts(row: Row, result: Result): Verdict[] {
  return row.goals.flatMap(goal => {
    const values = result.millrace.map(each => each[goal.metric]!)
    const others = yardstick(goal, result)
    if (values.length === 0 || others?.length === 0) return []
    const millrace = spread(values)
    const other = others === null ? null : spread(others)
    const pairs = values.map((value, round) => value / (others?.[round] ?? other?.median ?? 1))
    const ratio = { ...spread(pairs), median: millrace.median / (other?.median ?? 1) }
    const judged = goal.everyRound ? [ratio.least, ratio.most] : [ratio.median]
    const met = judged.every(each => each >= (goal.atLeast ?? 0) && each <= (goal.atMost ?? Number.POSITIVE_INFINITY))
    return [{ goal, millrace, other, ratio, met }]
  })
}

function yardstick(goal: Goal, { kafka, floor }: Result): readonly number[] | null {
  if (goal.against === 'nothing') return null
  return goal.against === 'sink' ? floor : kafka.map(each => each[goal.metric]!)
}

function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { median, least: sorted[0]!, most: sorted.at(-1)! }
}

function figure(value: number, unit = ''): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3
  const separator = unit === '' || unit.startsWith('/') ? '' : ' '
  return `${value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits })}${separator}${unit}`
}

const withSpread = ({ median, least, most }: Spread, unit = '') => `${figure(median, unit)} (${figure(least)}–${figure(most)})`

const wanted = ({ atLeast, atMost, everyRound }: Goal) =>
  `${atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`}${everyRound ? ' in every round' : ''}`

const yardsticks = { kafka: 'Kafka', sink: 'gathered sink', nothing: '' }

/** One line for the terminal. */
export function sentence({ goal, millrace, other, ratio, met }: Verdict): string {
  const against = other === null ? '' : ` against ${withSpread(other, goal.unit)} (${yardsticks[goal.against]}), ratio ${withSpread(ratio)}`
  return `  ${met ? 'met   ' : 'MISSED'} ${goal.label}: ${withSpread(millrace, goal.unit)}${against}, goal ${wanted(goal)}`
}

const introduction = `# Benchmarks

Written by \`npm run bench\`; do not edit. Millrace and Apache Kafka 4.3.1 (KRaft, one node, 1 GiB heap) run on one machine and disk and are
driven by the same clients. Both are warm: each row begins with requests of the measured kind, at least 30,000 where the row does not say
otherwise, until the broker's CPU per request has levelled out. Then they are measured in turn, A B A B; figures are medians with the least and
the most of all rounds, ratios are of medians, with those of the single rounds in brackets. Before each measurement the price of memory is
probed (CPU per GB written to the page cache); where it is over 0.3 s/GB the round is put off.

CPU is user and system time of the broker's process, work put off until after the answer included. The gathered sink is the floor: a bare
Node process that takes the same bytes from a socket and writes them to a file, 256 KiB at a time, without looking at them.
Both brokers have default settings but for what a row names; \`no fsync\` is \`durability=os\` here and Kafka's default, \`fsync before the
answer\` is the default here and \`flush.messages=1\` there.
`

export function page(rows: readonly Row[], results: readonly Result[]): string {
  const known = rows.flatMap(row => results.filter(each => each.name === row.name).map(result => ({ row, result })))
  const lines = [introduction, ...origin(known.map(each => each.result)), '']
  lines.push('| row | goal | Millrace | compared with | ratio | met? |', '|---|---|---|---|---|---|')
  for (const { row, result } of known) for (const verdict of verdicts(row, result)) lines.push(tableLine(row.name, verdict))
  lines.push('', '## Rows', '')
  for (const { row, result } of known) lines.push(`- **${row.name}**: ${result.settings}. ${howMeasured(row, result)}`)
  return `${lines.join('\n')}\n`
}

/** Figures of different commits are not one table: then each row says its own. */
function origin(results: readonly Result[]): string[] {
  const origins = new Set(results.map(each => `commit ${each.commit}, ${each.date}, ${each.machine}`))
  return origins.size === 1 ? [`All rows: ${[...origins][0]}.`] : ['**These rows were measured at different commits**, named below.']
}

function howMeasured(row: Row, result: Result): string {
  const { millrace, kafka } = result.warmed
  const count = (requests: number | undefined) => (requests ?? 0).toLocaleString('en-US')
  const warm = row.cold === undefined ? `Warm-up: ${count(millrace)} and ${count(kafka)} requests` : `No common warm-up: ${row.cold}`
  const probes = spread([...result.millrace, ...result.kafka].map(each => each['memoryProbe']!))
  const rounds = `${result.millrace.length} rounds, memory ${withSpread(probes, 's/GB')}`
  return `${warm}. ${rounds}; commit ${result.commit}, ${result.date}.`
}

function tableLine(name: string, { goal, millrace, other, ratio, met }: Verdict): string {
  const theirs = other === null ? '' : `${yardsticks[goal.against]} ${withSpread(other, goal.unit)}`
  const cells = [
    `${name}: ${goal.label}`,
    wanted(goal),
    withSpread(millrace, goal.unit),
    theirs,
    other === null ? '' : withSpread(ratio),
    met ? 'yes' : '**no**',
  ]
  return `| ${cells.join(' | ')} |`
}
