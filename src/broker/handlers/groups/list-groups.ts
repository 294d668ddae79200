/** ListGroups, v0–5: v4 filters by state (KIP-518), v5 by type (KIP-848). Shows what the principal may describe. */
import { filterInSlices } from '../../../base.ts'
import { apis, errorCode } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { clusterName } from '../../security/authorized-operations.ts'

export const listGroups = defineHandler<typeof apis.listGroups>({
  api: apis.listGroups,
  versions: [0, 5],
  access: [
    ['CLUSTER', 'DESCRIBE'],
    ['GROUP', 'DESCRIBE'],
  ],
  cost: oneThing,
  async handle(request, context) {
    const groups = await context.broker.groups.listGroups(filter(request.statesFilter), filter(request.typesFilter))
    const all = context.allowed('DESCRIBE', 'CLUSTER', clusterName, 'probe')
    const { turns } = context.broker
    const visible = all
      ? groups
      : await filterInSlices(turns, groups, ({ groupId }) => context.allowed('DESCRIBE', 'GROUP', groupId, 'probe'))
    return { throttleTimeMs: 0, errorCode: 0, groups: visible }
  },
  fail: (_request, error) => ({ throttleTimeMs: 0, errorCode: errorCode(error.name), groups: [] }),
})

function filter(names: readonly string[]): Set<string> {
  return new Set(names.map(name => name.trim().toLowerCase()))
}
