import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'

/** A source file, as far as its neighbours are concerned. */
export interface SourceFile {
  /** From the root of the repository, such as `src/engine/tx.ts`. */
  readonly path: string
  readonly text: string
  readonly imports: readonly Import[]
  readonly exports: readonly string[]
  /** What it passes on of others. */
  readonly passedOn: readonly string[]
  readonly functions: readonly { readonly name: string; readonly lines: number }[]
}

export interface Import {
  /** The file that is imported, from the root of the repository. */
  readonly from: string
  /** What of it; `*` for all of it. */
  readonly names: readonly string[]
}

const ROOT = path.resolve(import.meta.dirname, '../..')

/** All TypeScript files below a folder, and what is TypeScript of components; generated ones aside. */
export function readSources(folder: string): SourceFile[] {
  const entries = readdirSync(path.join(ROOT, folder), { withFileTypes: true })
  return entries.flatMap((entry) => {
    const file = `${folder}/${entry.name}`
    if (entry.isDirectory()) return entry.name === 'generated' ? [] : readSources(file)
    return /\.(ts|vue)$/.test(file) && !file.endsWith('.d.ts')
      ? [parse(file, readFileSync(path.join(ROOT, file), 'utf8'))]
      : []
  })
}

/** The script of a component; all of a file that is a script. */
function scriptOf(file: string, text: string): string {
  return file.endsWith('.vue') ? (/<script[^>]*>(.*?)<\/script>/s.exec(text)?.[1] ?? '') : text
}

/** @param file where it would lie: what it imports is found from there */
export function parse(file: string, text: string): SourceFile {
  const source = ts.createSourceFile(file, scriptOf(file, text), ts.ScriptTarget.Latest, true)
  const imports: Import[] = []
  const functions: { name: string; lines: number }[] = []
  const lineOf = (position: number) => source.getLineAndCharacterOfPosition(position).line
  const add = (specifier: ts.Node | undefined, names: readonly string[]) => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier) || !specifier.text.startsWith('.')) return
    const from = path.join(path.dirname(file), specifier.text).replace(/\.js$/, '.ts')
    imports.push({ from, names })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, namesOf(node))
    if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, ['*'])
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0], ['*'])
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      functions.push({ name: nameOf(node), lines: lineOf(node.end) - lineOf(node.getStart()) + 1 })
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return { path: file, text, imports, exports: exportsOf(source), passedOn: passedOnBy(source), functions }
}

function namesOf({ importClause: clause }: ts.ImportDeclaration): string[] {
  const bindings = clause?.namedBindings
  const named =
    bindings === undefined
      ? []
      : ts.isNamespaceImport(bindings)
        ? ['*']
        : bindings.elements.map(({ name, propertyName }) => (propertyName ?? name).text)
  return [...(clause?.name === undefined ? [] : ['default']), ...named]
}

function nameOf(node: ts.SignatureDeclaration): string {
  const { name, parent } = node
  if (name !== undefined) return name.getText()
  if (ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent)) return parent.name.getText()
  return ts.isCallExpression(parent) ? `(in ${parent.expression.getText()})` : '(anonymous)'
}

function passedOnBy(source: ts.SourceFile): string[] {
  return source.statements.flatMap((statement) => {
    const clause = ts.isExportDeclaration(statement) ? statement.exportClause : undefined
    return clause !== undefined && ts.isNamedExports(clause) ? clause.elements.map(({ name }) => name.text) : []
  })
}

function exportsOf(source: ts.SourceFile): string[] {
  return source.statements.flatMap((statement) => {
    const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined
    if (!modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) return []
    if (ts.isVariableStatement(statement)) {
      return statement.declarationList.declarations.map(({ name }) => name.getText(source))
    }
    const { name } = statement as ts.DeclarationStatement
    return name === undefined ? [] : [name.text]
  })
}

/** The circles among nodes: each as the nodes that can reach one another. */
export function circlesIn(edges: ReadonlyMap<string, ReadonlySet<string>>): string[][] {
  const reachable = (start: string): Set<string> => {
    const seen = new Set<string>()
    const queue = [...(edges.get(start) ?? [])]
    for (let node = queue.pop(); node !== undefined; node = queue.pop()) {
      if (seen.has(node)) continue
      seen.add(node)
      queue.push(...(edges.get(node) ?? []))
    }
    return seen
  }
  const reach = new Map([...edges.keys()].map((node) => [node, reachable(node)]))
  const inCircle = [...edges.keys()].filter((node) => reach.get(node)?.has(node))
  const circles = inCircle.map((node) => inCircle.filter((o) => reach.get(node)?.has(o) && reach.get(o)?.has(node)))
  return [...new Map(circles.map((circle) => [circle.sort().join(), circle])).values()]
}
