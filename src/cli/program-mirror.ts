/** `millrace mirror`, `perf` and `top`: what works between clusters, and measures any of them; see `program.ts`. */
import { type Command, Option } from 'commander'
import { duration, isolationOption, repeated, wholeNumber, withClientOptions } from './options.ts'

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

export function addPerf(program: Command): void {
  const perf = program.command('perf').description('measure how fast any Kafka broker takes and delivers records')
  withClientOptions(perf.command('produce <topic>').description('write records; tells records per second, bytes per second and latencies'))
    .addOption(new Option('-n, --records <count>', 'number of records').argParser(wholeNumber(1)).default(1_000_000))
    .addOption(new Option('--size <bytes>', 'bytes of each value').argParser(wholeNumber(1, 100_000_000)).default(1_024))
    .option(
      '--rate <count>',
      'records per second (default: as fast as possible); the latency of a record then counts from when it was due',
      wholeNumber(1),
    )
    .option('--duration <duration>', 'end after this time', duration)
    .addOption(
      new Option('-z, --compression <codec>', 'compression of batches').choices(['none', 'gzip', 'snappy', 'lz4', 'zstd']).default('none'),
    )
    .addOption(new Option('-a, --acks <acks>', 'acknowledgement to wait for').choices(['all', '1']).default('all'))
    .addOption(new Option('--batch-size <bytes>', 'bytes of a batch').argParser(wholeNumber(1, 100_000_000)).default(16_384))
    .addOption(
      new Option('--in-flight <count>', 'batches that wait for their answer at the same time').argParser(wholeNumber(1, 1_000)).default(5),
    )
    .addHelpText(
      'after',
      `
Examples:
  millrace perf produce load --records 500000 --size 100
  millrace perf produce load --rate 1000 --duration 30s --acks all`,
    )
    .action(async (topic, flags) => (await import('./perf-produce.ts')).perfProduce(topic, flags))
  withClientOptions(
    perf.command('consume <topic>').description('read what is there, or what comes; tells records per second and bytes per second'),
  )
    .option('-n, --records <count>', 'end after this many records', wholeNumber(1))
    .option('--duration <duration>', 'end after this time', duration)
    .option(
      '-f, --from <position>',
      'beginning, end (then tells the age of records too), an offset, -N, a time, or how long ago',
      'beginning',
    )
    .addOption(isolationOption())
    .addOption(new Option('--fetch-size <bytes>', 'bytes of a fetch').argParser(wholeNumber(1, 1_073_741_824)).default(16_777_216))
    .addHelpText('after', '\nExample:\n  millrace perf consume load --records 500000')
    .action(async (topic, flags) => (await import('./perf-consume.ts')).perfConsume(topic, flags))
}

export function addTop(program: Command): void {
  withClientOptions(program.command('top').description('show live throughput by topic and by client, until Ctrl-C'))
    .addOption(new Option('-i, --interval <duration>', 'time between two looks').argParser(duration).default(2_000, '2s'))
    .addOption(new Option('--rows <count>', 'busiest topics and clients to show').argParser(wholeNumber(1)).default(20))
    .option('-n, --samples <count>', 'end after so many', wholeNumber(1))
    .option('-t, --topic <topic>', 'only this topic; repeatable', repeated)
    .addHelpText('after', '\nExamples:\n  millrace top\n  millrace top --samples 1 --json')
    .action(async flags => (await import('./top.ts')).top(flags))
}
