/** One call of one of Kafka's tools, with its expected exit status and output. */
import { kafkaJars, quietJava } from '../support/cache.ts'
import { run } from '../support/run.ts'
import type { Report } from '../support/suite.ts'

export interface Step {
  name: string
  /** A class, and its arguments; the address is added. `{NAME}` stands for what an earlier step remembered. */
  command: readonly [tool: string, ...args: string[]]
  says: RegExp
  /** It has to end with an error. */
  fails?: boolean
  stdin?: string
  /** A file with another login than the others have. */
  login?: string
  /** What the first group of `says` matched is kept under this name. */
  remember?: string
}

export const client = 'kafka-tools'

export const tool = {
  topics: 'org.apache.kafka.tools.TopicCommand',
  configs: 'kafka.admin.ConfigCommand',
  groups: 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  producer: 'org.apache.kafka.tools.ConsoleProducer',
  consumer: 'org.apache.kafka.tools.consumer.ConsoleConsumer',
  offsets: 'org.apache.kafka.tools.GetOffsetShell',
  deleteRecords: 'org.apache.kafka.tools.DeleteRecordsCommand',
  logDirs: 'org.apache.kafka.tools.LogDirsCommand',
  apiVersions: 'org.apache.kafka.tools.BrokerApiVersionsCommand',
  listGroups: 'org.apache.kafka.tools.GroupsCommand',
  clusterTool: 'org.apache.kafka.tools.ClusterTool',
  transactions: 'org.apache.kafka.tools.TransactionsCommand',
  producerPerf: 'org.apache.kafka.tools.ProducerPerformance',
  consumerPerf: 'org.apache.kafka.tools.ConsumerPerformance',
  latency: 'org.apache.kafka.tools.EndToEndLatency',
  verifiableProducer: 'org.apache.kafka.tools.VerifiableProducer',
  verifiableConsumer: 'org.apache.kafka.tools.VerifiableConsumer',
  acls: 'org.apache.kafka.tools.AclCommand',
  features: 'org.apache.kafka.tools.FeatureCommand',
  tokens: 'org.apache.kafka.tools.DelegationTokenCommand',
  clientMetrics: 'org.apache.kafka.tools.ClientMetricsCommand',
  quorum: 'org.apache.kafka.tools.MetadataQuorumCommand',
  election: 'org.apache.kafka.tools.LeaderElectionCommand',
  reassign: 'org.apache.kafka.tools.reassign.ReassignPartitionsCommand',
  shareGroups: 'org.apache.kafka.tools.consumer.group.ShareGroupCommand',
  shareConsumer: 'org.apache.kafka.tools.consumer.ConsoleShareConsumer',
}

export interface Broker {
  bootstrap: string
  /** A file with what it takes to log in. */
  login?: string
}

/** These have commands of their own, before which there may be no option. */
const withCommands: readonly string[] = [tool.clusterTool]

/** Runs them one after another. */
export async function runSteps(steps: readonly Step[], broker: Broker, report: Report): Promise<void> {
  const jars = await kafkaJars('4.3.1')
  const remembered = new Map<string, string>()
  for (const step of steps) {
    const [main, ...words] = step.command
    const args = words.map(word => word.replace(/^\{(\w+)\}$/, (all, name: string) => remembered.get(name) ?? all))
    const jvm = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', quietJava, '-cp', jars, main]
    const login = step.login ?? broker.login
    const common = ['--bootstrap-server', broker.bootstrap, ...(login === undefined ? [] : ['--command-config', login])]
    const all = withCommands.includes(main) ? [...args, ...common] : [...common, ...args]
    const { code, stdout, stderr, seconds } = await run('java', [...jvm, ...all], { seconds: 90, stdin: step.stdin ?? '' })
    const said = stdout + stderr
    const match = step.says.exec(said)
    if (step.remember !== undefined && match?.[1] !== undefined) remembered.set(step.remember, match[1])
    const good = code !== null && (code !== 0) === (step.fails ?? false) && match !== null
    const wanted = `status ${code}, wanted ${step.fails ? 'an error and ' : ''}${step.says}, said: ${said.replace(/\s+/g, ' ').slice(0, 400)}`
    const detail = good ? `(${Math.round(seconds * 1000)} ms)` : wanted
    report({ client, name: step.name, outcome: good ? 'ok' : 'FAIL', detail })
  }
}
