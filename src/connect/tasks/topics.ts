/** Topics of sources: created as `topic.creation.*` says, or with the broker's defaults, before the first record goes there. */
import { linearRegExp, splitList } from '../../base.ts'
import { type Client, ensureTopic, type NewTopicSpec } from '../../client.ts'
import { withPrefix } from '../worker-config.ts'

interface Rule {
  readonly includes: readonly RegExp[]
  readonly excludes: readonly RegExp[]
  readonly partitions: number | undefined
  readonly replicas: number | undefined
  readonly configs: ReadonlyMap<string, string>
}

export class SourceTopics {
  readonly #client: Client
  readonly #rules: readonly Rule[]
  readonly #known = new Map<string, Promise<void>>()
  readonly #reserved: ReadonlySet<string>

  /** `creates`: what the worker allows. `reserved`: those that no source may write, because workers keep their state there. */
  constructor(client: Client, config: Readonly<Record<string, string>>, creates: boolean, reserved: Iterable<string>) {
    this.#client = client
    this.#reserved = new Set(reserved)
    const groups = wordsIn(config['topic.creation.groups'])
    this.#rules = creates ? [...groups, 'default'].map(group => ruleOf(group, withPrefix(config, `topic.creation.${group}.`))) : []
  }

  /** Resolves when it is there. */
  require(topic: string): Promise<void> {
    let known = this.#known.get(topic)
    if (known === undefined) {
      if (this.#reserved.has(topic))
        throw new Error(`the workers keep their state in the topic ${topic}: a source must write elsewhere, and a mirror must leave it out`)
      known = ensureTopic(this.#client, this.#spec(topic))
      this.#known.set(topic, known)
      known.catch(() => this.#known.delete(topic))
    }
    return known
  }

  #spec(name: string): NewTopicSpec {
    const rule = this.#rules.find(
      ({ includes, excludes }) => includes.some(each => each.test(name)) && !excludes.some(each => each.test(name)),
    )
    return rule === undefined ? { name } : { name, partitions: rule.partitions, replicas: rule.replicas, configs: rule.configs }
  }
}

const own: ReadonlySet<string> = new Set(['include', 'exclude', 'partitions', 'replication.factor'])

function wordsIn(text = ''): string[] {
  return splitList(text).filter(word => word !== '')
}

function ruleOf(group: string, config: Readonly<Record<string, string>>): Rule {
  const patterns = (text: string | undefined) => wordsIn(text).map(each => linearRegExp(`^(?:${each})$`))
  // Kafka's -1: the broker's default.
  const count = (text: string | undefined) => (text === undefined || Number(text) <= 0 ? undefined : Number(text))
  return {
    includes: group === 'default' ? [/^/] : patterns(config['include']),
    excludes: patterns(config['exclude']),
    partitions: count(config['partitions']),
    replicas: count(config['replication.factor']),
    configs: new Map(Object.entries(config).filter(([key]) => !own.has(key))),
  }
}
