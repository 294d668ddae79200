/** From measurements to ratios, and to the table in docs/benchmarks.md. */
import type { Floor } from './floor.ts'
import type { Goal, Measured, Row } from './row.ts'

/** What one row found in one run. `rounds` are in the order in which they were measured. */
export interface Result {
  name: string
  settings: string
  date: string
  commit: string
  machine: string
  millrace: Measured[]
  kafka: Measured[]
  floor: Floor | null
}

export interface Verdict {
  goal: Goal
  millrace: { median: number; best: number }
  /** Kafka's figure, or the sink's; null for goals that stand by themselves. */
  other: number | null
  ratio: number
  met: boolean
}

export function verdicts(row: Row, result: Result): Verdict[] {
  return row.goals.flatMap(goal => {
    const values = result.millrace.map(each => each[goal.metric]!)
    const other = yardstick(goal, result)
    if (values.length === 0 || other === undefined) return []
    const millrace = { median: median(values), best: goal.atLeast === undefined ? Math.min(...values) : Math.max(...values) }
    const ratio = millrace.median / (other ?? 1)
    const met = (goal.atLeast === undefined || ratio >= goal.atLeast) && (goal.atMost === undefined || ratio <= goal.atMost)
    return [{ goal, millrace, other, ratio, met }]
  })
}

/** Undefined when it was not measured in this run. */
function yardstick(goal: Goal, { kafka, floor }: Result): number | null | undefined {
  if (goal.against === 'nothing') return null
  if (goal.against === 'plain sink') return floor?.plain
  if (goal.against === 'best sink') return floor?.best
  return kafka.length === 0 ? undefined : median(kafka.map(each => each[goal.metric]!))
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

function figure(value: number, unit = ''): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3
  const separator = unit === '' || unit.startsWith('/') ? '' : ' '
  return `${value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits })}${separator}${unit}`
}

const wanted = ({ atLeast, atMost }: Goal) => (atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`)

/** One line for the terminal. */
export function sentence({ goal, millrace, other, ratio, met }: Verdict): string {
  const against = goal.against === 'kafka' ? 'Kafka' : goal.against
  const compared = other === null ? '' : ` against ${figure(other, goal.unit)} (${against}), ratio ${figure(ratio)}`
  return `  ${met ? 'met   ' : 'MISSED'} ${goal.label}: ${figure(millrace.median, goal.unit)}${compared}, goal ${wanted(goal)}`
}

export function page(rows: readonly Row[], results: readonly Result[]): string {
  const lines = [
    '# Benchmarks',
    '',
    'Written by `npm run bench`; do not edit. Millrace and Apache Kafka 4.3.1 (KRaft, one node, 1 GiB heap) are started in turn on one',
    'machine and disk and driven by the same clients, A B A B; figures are medians over the rounds (best in brackets), ratios are of medians.',
    'CPU is user and system time of the broker’s process, work put off until after the answer included. A sink is a bare Node process that',
    'writes what a socket brings to a file: `plain` with `data` events and `fs.writeSync`, `best` with one buffer for all reads.',
    'Both brokers have default settings but for what a row names; `no fsync` is `durability=os` here and Kafka’s default, `fsync before the',
    'answer` is the default here and `flush.messages=1` there.',
    '',
    '| row | goal | Millrace | compared with | ratio | met? |',
    '|---|---|---|---|---|---|',
  ]
  const known = rows.flatMap(row => results.filter(each => each.name === row.name).map(result => ({ row, result })))
  for (const { row, result } of known) for (const verdict of verdicts(row, result)) lines.push(tableLine(row.name, verdict))
  lines.push('', '## Rows', '')
  for (const { row, result } of known) {
    const rounds = `${result.millrace.length} of Millrace, ${result.kafka.length} of Kafka`
    lines.push(`- **${row.name}**: ${result.settings}. Rounds: ${rounds}; commit ${result.commit}, ${result.date}, ${result.machine}.`)
  }
  return `${lines.join('\n')}\n`
}

function tableLine(name: string, { goal, millrace, other, ratio, met }: Verdict): string {
  const ours = `${figure(millrace.median, goal.unit)} (${figure(millrace.best)})`
  const theirs = other === null ? '' : `${goal.against === 'kafka' ? 'Kafka' : goal.against} ${figure(other, goal.unit)}`
  const cells = [`${name}: ${goal.label}`, wanted(goal), ours, theirs, other === null ? '' : figure(ratio), met ? 'yes' : '**no**']
  return `| ${cells.join(' | ')} |`
}
