/** All subjects of the schema registry. */
import { useNavigate } from '@tanstack/react-router'
import { asked, type Output } from '../api.ts'
import { count, counted } from '../format.ts'
import { type Column, RowLink } from '../ui/grid.tsx'
import { useNameSearch } from '../ui/name-search.tsx'
import { Bar, Page } from '../ui/page.tsx'
import { pageSize, usePages } from '../ui/paged.ts'
import { PagedGrid } from '../ui/paged-grid.tsx'
import { Command, Empty } from '../ui/states.tsx'
import { NewSubject } from './schema-editor.tsx'

type Row = Output<'GET /schemas'>['rows'][number]

const columns: readonly Column<Row>[] = [
  {
    id: 'subject',
    title: 'Subject',
    width: 'minmax(140px, 1fr)',
    cell: ({ subject }) => <RowLink name={subject} to="/schemas/$subject" params={{ subject }} />,
  },
  { id: 'type', title: 'Type', width: '100px', cell: row => row.type ?? '–' },
  { id: 'version', title: 'Newest version', width: '128px', right: true, wideOnly: true, cell: row => count(row.version) },
  { id: 'id', title: 'Id', width: '80px', right: true, mono: true, wideOnly: true, cell: row => count(row.id) },
]

export function Schemas() {
  const navigate = useNavigate({ from: '/schemas' })
  const { wanted, box } = useNameSearch('Search subjects')
  const pages = usePages(from => asked('GET /schemas', { query: { search: wanted, limit: pageSize, from } }), 30_000)
  return (
    <Page title="Schemas" facts={pages.first.data === undefined ? [] : [counted(pages.total, 'subject')]} actions={<NewSubject />}>
      <Bar>{box}</Bar>
      <PagedGrid
        pages={pages}
        label="Subjects"
        columns={columns}
        keyOf={row => row.subject}
        onOpen={({ subject }) => void navigate({ to: '/schemas/$subject', params: { subject } })}
        empty={
          <Empty title={wanted === '' ? 'There are no schemas yet' : 'No subject has this name'}>
            {wanted === '' && (
              <>
                <p>The subject of the values of a topic is its name with -value, that of its keys its name with -key.</p>
                <Command text="millrace schema register orders-value order.avsc" />
              </>
            )}
          </Empty>
        }
      />
    </Page>
  )
}
