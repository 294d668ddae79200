/** Consumer groups as kafka_exporter shows them: members, committed offsets, lag. */
import type { Broker } from '../../dispatch/context.ts'
import { labelText, type Page } from './text.ts'

interface GroupRow {
  group: string
  members: number
  partitions: { topic: string; partition: number; offset: number; lag: number }[]
}

/** Groups whose coordinator is still loading are left out: a gap in a graph says less than a wrong zero. */
export async function readGroups(broker: Broker): Promise<GroupRow[]> {
  const listed = await broker.groups.listGroups(new Set(), new Set()).catch(() => [])
  const rows: GroupRow[] = []
  for (const { groupId } of listed) {
    const row = await readGroup(broker, groupId).catch(() => null)
    if (row !== null) rows.push(row)
  }
  return rows
}

async function readGroup(broker: Broker, group: string): Promise<GroupRow> {
  const [members, topics] = await Promise.all([broker.groups.memberCount(group), broker.groups.fetchOffsets(group, null, false)])
  const partitions: GroupRow['partitions'] = []
  for (const { name, partitions: fetched } of topics) {
    for (const { partitionIndex, committedOffset } of fetched) {
      const end = broker.metadata.partitionByName(name, partitionIndex)?.highWatermark
      if (end === undefined || committedOffset < 0) continue
      const offset = Number(committedOffset)
      partitions.push({ topic: name, partition: partitionIndex, offset, lag: Math.max(0, end - offset) })
    }
  }
  return { group, members, partitions }
}

export function writeGroups(page: Page, rows: readonly GroupRow[]): void {
  page.single('kafka_coordinator_group_groupmetadatamanager_numgroups', 'gauge', 'Groups known to this coordinator.', rows.length)
  page.family('kafka_consumergroup_members', 'gauge', 'Amount of members in a consumer group.')
  for (const { group, members } of rows) page.sample(members, { consumergroup: group })
  writePerPartition(page, rows, 'current_offset', 'Current Offset of a ConsumerGroup at Topic/Partition.', each => each.offset)
  writePerPartition(page, rows, 'lag', 'Current Approximate Lag of a ConsumerGroup at Topic/Partition.', each => each.lag)
}

function writePerPartition(
  page: Page,
  rows: readonly GroupRow[],
  name: string,
  help: string,
  of: (row: GroupRow['partitions'][number]) => number,
): void {
  const sums = new Map<string, number>()
  page.family(`kafka_consumergroup_${name}`, 'gauge', help)
  for (const { group, partitions } of rows) {
    for (const row of partitions) {
      page.sample(of(row), { consumergroup: group, topic: row.topic, partition: row.partition })
      const labels = labelText({ consumergroup: group, topic: row.topic })
      sums.set(labels, (sums.get(labels) ?? 0) + of(row))
    }
  }
  page.family(`kafka_consumergroup_${name}_sum`, 'gauge', `${help} Summed over the partitions.`)
  for (const [labels, sum] of sums) page.labelled(labels, sum)
}
