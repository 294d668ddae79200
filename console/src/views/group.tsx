/** What the parts of a group have in common. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, Outlet, useNavigate } from '@tanstack/react-router'
import { asked, call } from '../api.ts'
import { counted, duration } from '../format.ts'
import { useRights } from '../rights.ts'
import { Button } from '../ui/button.tsx'
import { ConfirmByName } from '../ui/dialog.tsx'
import { Page } from '../ui/page.tsx'
import { Failed } from '../ui/states.tsx'
import { GroupState } from './group-state.tsx'
import { ResetOffsets } from './reset-offsets.tsx'

const here = getRouteApi('/groups/$group')

export function Group() {
  const { group } = here.useParams()
  const info = useQuery({ ...asked('GET /groups/:group', { params: { group } }), refetchInterval: 5_000 })
  const may = useRights({ group })
  const queries = useQueryClient()
  const navigate = useNavigate()
  if (info.isError && info.data === undefined)
    return (
      <Page title={group}>
        <Failed error={info.error} retry={() => void info.refetch()} needs={`DESCRIBE on the group ${group}`} />
      </Page>
    )
  const remove = async () => {
    await call('DELETE /groups/:group', { params: { group }, query: { confirm: group } })
    await navigate({ to: '/groups' })
    await queries.invalidateQueries()
  }
  const { state, type, members = [], partitions = [], lag, behindMs = null } = info.data ?? {}
  const committed = partitions.filter(each => each.offset !== null).length
  const params = { group }
  return (
    <Page
      title={group}
      facts={
        state === undefined
          ? []
          : [
              <GroupState key="state" state={state} />,
              type,
              counted(members.length, 'member'),
              `lag ${counted(lag!, 'record')}`,
              ...(behindMs === null || behindMs === 0 ? [] : [`about ${duration(Math.max(behindMs, 1_000))} behind`]),
            ]
      }
      actions={
        info.data !== undefined && (
          <>
            {may('group', 'READ') && <ResetOffsets group={info.data} />}
            {may('group', 'DELETE') && (
              <ConfirmByName
                title={`Delete ${group}`}
                name={group}
                action="Delete the group"
                trigger={<Button kind="bad">Delete</Button>}
                onConfirm={remove}
              >
                The group and its {counted(committed, 'committed offset')} will be deleted. Its consumers would begin anew. A group with
                members is not deleted.
              </ConfirmByName>
            )}
          </>
        )
      }
      tabs={[
        { title: 'Lag', to: '/groups/$group/lag', params },
        ...(type === 'share' ? ([{ title: 'Delivery', to: '/groups/$group/share', params }] as const) : []),
        { title: 'Members', to: '/groups/$group/members', params },
        { title: 'Offsets', to: '/groups/$group/offsets', params },
        { title: 'History', to: '/groups/$group/history', params },
      ]}
    >
      <Outlet />
    </Page>
  )
}
