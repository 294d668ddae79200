/** The columns that lists of groups have in common. */
import { duration } from '../format.ts'
import { type Column, RowLink } from '../ui/grid.tsx'
import { GroupState } from './group-state.tsx'

interface Listed {
  group: string
  state: string
  type: string
  behindMs: number | null
}

export const groupColumns = {
  group: {
    id: 'group',
    title: 'Group',
    width: 'minmax(120px, 1fr)',
    cell: ({ group }) => <RowLink name={group} to="/groups/$group" params={{ group }} />,
  },
  state: { id: 'state', title: 'State', width: '116px', cell: row => <GroupState state={row.state} /> },
  type: { id: 'type', title: 'Type', width: '100px', wideOnly: true, cell: row => row.type },
  behind: { id: 'behind', title: 'Behind', width: '96px', right: true, wideOnly: true, cell: row => <Behind ms={row.behindMs} /> },
} satisfies Record<string, Column<Listed>>

/** For how long the first record that a group has not read has been waiting, about. */
function Behind({ ms }: { ms: number | null }) {
  const said = ms === null ? '–' : ms === 0 ? 'no' : duration(Math.max(ms, 1_000))
  return (
    <span title={ms === null ? 'Not known: longer than the console has looked' : 'From when its partitions ended where it is now'}>
      {said}
    </span>
  )
}
