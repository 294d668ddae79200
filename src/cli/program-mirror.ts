/** `millrace mirror`, `perf` and `top`; see `program.ts`. */
import { type Command, Option } from 'commander'
import { duration, repeated, withClientOptions } from './options.ts'

export function addMirror(program: Command): void {
  withClientOptions(
    program
      .command('mirror')
      .description(
        'copy topics with their configs, records, ACLs and offsets of groups from another cluster; run it again, after any interruption too, to go on where it ended',
      ),
  )
    .option('--from <host:port>', 'brokers of the cluster to copy from (comma-separated); --bootstrap says where to')
    .option('--from-config <file>', "Kafka's client.properties for it: security.protocol, ssl.*, sasl.*, bootstrap.servers")
    .option('-t, --topic <name>', 'only this topic; * stands for anything; repeatable', repeated)
    .option('--exclude <name>', 'without this topic; * stands for anything; repeatable', repeated)
    .option('--no-acls', 'without ACLs')
    .option('--no-groups', 'without the offsets of groups')
    .option('--merge', 'copy also into topics that have records which are not from this source')
    .option('--follow [interval]', 'go on until Ctrl-C: again 10s after the end, or as given', duration)
    .addOption(
      new Option('--patience <duration>', 'how long to wait for a cluster that does not answer').argParser(duration).default(120_000, '2m'),
    )
    .option('--dry-run', 'show what would be done without changing anything')
    .addHelpText(
      'after',
      `
Examples:
  millrace mirror --from kafka.example.org:9092 --dry-run
  millrace mirror --from kafka.example.org:9092 --bootstrap 127.0.0.1:9092
  millrace mirror --from-config kafka.properties --topic 'orders*'`,
    )
    .action(async flags => (await import('./mirror.ts')).mirrorFrom(flags))
}
