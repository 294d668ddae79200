/** Consumer groups as seen from outside. */
import type { Admin } from '@platformatic/kafka'
import { ClientError } from './errors.ts'
import type { GroupInfo, GroupListing, PartitionOffset } from './types.ts'

export async function listGroups(admin: Admin): Promise<GroupListing[]> {
  const groups = await admin.listGroups({})
  return Array.from(groups.values(), ({ id, state, protocolType, groupType }) => ({
    group: id,
    state: state ?? '',
    protocolType,
    type: groupType ?? '',
  })).sort((a, b) => (a.group < b.group ? -1 : 1))
}

export async function describeGroup(admin: Admin, name: string): Promise<GroupInfo> {
  const found = (await admin.describeGroups({ groups: [name] })).get(name)
  // Brokers before 4.0 describe what does not exist as Dead.
  if (found === undefined || (found.state as string).toUpperCase() === 'DEAD') {
    throw new ClientError('GROUP_ID_NOT_FOUND', `there is no group ${name}`)
  }
  return {
    group: name,
    state: found.state,
    protocolType: found.protocolType,
    protocol: found.protocol,
    members: Array.from(found.members.values(), member => ({
      id: member.id,
      instanceId: member.groupInstanceId ?? null,
      clientId: member.clientId,
      host: member.clientHost,
      partitions: Array.from(member.assignments?.values() ?? []).flatMap(({ topic, partitions }) =>
        partitions.map(partition => ({ topic, partition })),
      ),
    })),
  }
}

export async function groupOffsets(admin: Admin, name: string): Promise<PartitionOffset[]> {
  const [found] = await admin.listConsumerGroupOffsets({ groups: [name] })
  return (found?.topics ?? []).flatMap(({ name: topic, partitions }) =>
    partitions
      .filter(({ committedOffset }) => committedOffset >= 0n)
      .map(({ partitionIndex, committedOffset }) => ({ topic, partition: partitionIndex, offset: committedOffset })),
  )
}
