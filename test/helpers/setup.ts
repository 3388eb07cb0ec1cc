// Runs before each test file, though what it imports is there from the file before.
import { useOwnSchema } from './app.js'

useOwnSchema()
