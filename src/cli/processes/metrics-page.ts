/**
 * One page of metrics from the pages of several processes, in Prometheus' text format: each sample gets the label `broker`, and each family
 * has its help and type once, followed by the samples of all processes.
 */

interface Family {
  /** The lines `# HELP` and `# TYPE`. */
  head: string
  samples: string
}

/** The page of one process. It arrives in pieces. */
export class LabelledPage {
  readonly families = new Map<string, Family>()
  readonly #label: string
  #room: number
  /** Of a line that is not complete yet. */
  #rest = ''
  #family: Family = { head: '', samples: '' }

  /** `room`: most characters of the page. */
  constructor(brokerId: number, room: number) {
    this.#label = `broker="${brokerId}"`
    this.#room = room
  }

  /** False if the page is larger than it may be. */
  add(text: string): boolean {
    this.#room -= text.length
    if (this.#room < 0) return false
    const known = this.#rest + text
    let at = 0
    for (let end = known.indexOf('\n'); end !== -1; end = known.indexOf('\n', at)) {
      this.#line(known.slice(at, end))
      at = end + 1
    }
    this.#rest = known.slice(at)
    return true
  }

  #line(line: string): void {
    if (line === '') return
    if (!line.startsWith('#')) this.#family.samples += `${withLabel(line, this.#label)}\n`
    else {
      const name = /^# (?:HELP|TYPE) (\S+)/.exec(line)?.[1]
      if (name === undefined) return
      this.#family = this.#familyOf(name)
      this.#family.head += `${line}\n`
    }
  }

  #familyOf(name: string): Family {
    const known = this.families.get(name)
    if (known !== undefined) return known
    const family = { head: '', samples: '' }
    this.families.set(name, family)
    return family
  }
}

/** In the order of the first page that has them. */
export function* merge(pages: readonly LabelledPage[]): Generator<string> {
  const names = new Set(pages.flatMap(({ families }) => [...families.keys()]))
  for (const name of names) {
    const families = pages.flatMap(page => page.families.get(name) ?? [])
    yield families[0]!.head
    for (const { samples } of families) yield samples
  }
}

const ownLabel = /[{,]broker="/

/** `name value` or `name{labels} value`; a name has neither a space nor a brace. */
function withLabel(line: string, label: string): string {
  const sample = ownLabel.test(line) ? withoutBroker(line) : line
  const end = sample.search(/[{ ]/)
  if (sample[end] !== '{') return `${sample.slice(0, end)}{${label}}${sample.slice(end)}`
  const labels = sample.slice(end + 1)
  return `${sample.slice(0, end)}{${label}${labels.startsWith('}') ? '' : ','}${labels}`
}

/** Clients choose labels of the metrics that they push (KIP-714). As Prometheus does, theirs gets another name. */
function withoutBroker(line: string): string {
  let name = 'exported_broker'
  while (line.includes(`${name}="`)) name = `exported_${name}`
  return line.replace(/"(?:[^"\\]|\\.)*"|([{,])broker=/g, (text, before?: string) => (before === undefined ? text : `${before}${name}=`))
}
